import re

import numpy as np
import pytest

from poeem.data.datasets import DATASETS, load_dataset
from poeem.data.split import leave_last_out
from poeem.training.recipes.entries import RECIPES


def test_unknown_name_lists_the_known_ones():
    known = re.escape(", ".join(DATASETS))
    with pytest.raises(ValueError, match=rf"dataset \(='ml-2m'\) is not known; choose from {known}"):
        load_dataset("ml-2m")


def test_poeem_train_knows_all_of_them():
    assert set(RECIPES["interactions"].data_sets) == set(DATASETS)


@pytest.mark.data
def test_movielens_1m():
    events = load_dataset("ml-1m")
    assert (len(events), events.n_users, events.n_items) == (1_000_209, 6_040, 3_706)
    assert events.user_ids[[0, -1]].tolist() == [1, 6040]
    assert events.item_table.column_names == ["title", "year", "genres"]
    star_wars = events.item_ids.tolist().index("Star Wars: Episode IV - A New Hope (1977)")
    assert np.bincount(events.item)[star_wars] == 2_991
    assert events.item_table.slice(star_wars, 1).to_pylist() == [
        {"title": "Star Wars: Episode IV - A New Hope", "year": 1977, "genres": "Action Adventure Fantasy Sci-Fi"}
    ]
    split = leave_last_out(events)
    assert len(split.test) == len(split.validation) == 6_040
    assert len(split.train.values) == 1_000_209 - 2 * 6_040


@pytest.mark.data
def test_movielens_100k():
    events = load_dataset("ml-100k")
    assert (len(events), events.n_users, events.n_items) == (100_000, 943, 1_682)
    assert events.item_ids.tolist() == list(range(1, 1683))
    assert events.item_table["title"][:2].to_pylist() == ["Toy Story", "GoldenEye"]
    assert events.item_table["year"].null_count == 2
