"""Option groups of a training: names, choices and ranges."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import pytest

from poeem.training.options.groups import GROUPS, LossOptions, TrainOptions


def test_names_are_distinct_over_the_groups():
    names = [field.name for group in GROUPS.values() for field in dataclasses.fields(group)]
    assert len(names) == len(set(names))
    assert set(TrainOptions().settings()) == set(names)


def test_values_reach_their_groups():
    options = TrainOptions.named(spec="PQ4", seed=3, share=0.5)
    assert (options.index.spec, options.execution.seed, options.loss.share) == ("PQ4", 3, 0.5)
    assert options.settings() == TrainOptions().settings() | {"spec": "PQ4", "seed": 3, "share": 0.5}


@pytest.mark.parametrize(
    "field", [f for group in GROUPS.values() for f in dataclasses.fields(group)], ids=lambda f: f.name
)
def test_every_default_is_among_the_choices(field):
    assert field.metadata["help"].endswith(".")
    assert not field.metadata["choices"] or field.default in (None, *field.metadata["choices"])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"temperature": 0}, r"temperature \(=0\) must be a number above 0"),
        ({"share": 1.5}, r"share \(=1.5\) of the quantized view must be 0 to 1"),
        ({"hard_negatives": -1}, r"hard_negatives \(=-1\)"),
        ({"commitment": float("inf")}, r"commitment \(=inf\) must be 0 or more"),
        ({"views": "one"}, r"views \(='one'\) must be one of 'both', 'quantized'"),
    ],
    ids=str,
)
def test_values_out_of_range_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        LossOptions(**values)


def test_an_unknown_name_is_refused_with_the_nearest_one():
    with pytest.raises(ValueError, match="there is no option 'distil'; did you mean 'distill'"):
        TrainOptions.named(distil=1.0)


def test_the_groups_import_neither_torch_nor_numpy():
    code = (
        "import sys, poeem.training.options.groups, poeem.training.options.fit; "
        "assert not {'torch', 'numpy'} & {*sys.modules}"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
