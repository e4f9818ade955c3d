import re

import numpy as np
import pytest

from poeem.cli.bench import BenchOptions
from poeem.data.datasets import EMBEDDED_SETS, load_embedded
from poeem.data.datasets.embedded import split_queries


def test_parts_are_disjoint_and_do_not_depend_on_the_cuts():
    whole = split_queries(1000, validation=1000, test=1000)
    assert [len(rows) for rows in whole.values()] == [800, 100, 100]
    assert sorted(np.concatenate(list(whole.values())).tolist()) == list(range(1000))
    cut = split_queries(1000, validation=7, test=9)
    assert cut["train"].tolist() == whole["train"].tolist()
    assert cut["validation"].tolist() == whole["validation"][:7].tolist()
    assert cut["test"].tolist() == whole["test"][:9].tolist()


def test_unknown_name_lists_the_known_ones():
    known = ", ".join(EMBEDDED_SETS)
    with pytest.raises(ValueError, match=re.escape(f"dataset of vectors (='sift') must be one of {known}")):
        load_embedded("sift")


def test_the_help_of_poeem_bench_names_all_of_them():
    text = BenchOptions.__dataclass_fields__["dataset"].metadata["help"]
    assert not [name for name in EMBEDDED_SETS if name not in text]
