"""Settings of a run: defaults by tower, index and previous run, and options that contradict each other."""

from __future__ import annotations

import pytest

from poeem.training.options.by_tower import BY_TOWER
from poeem.training.options.groups import TrainOptions
from poeem.training.options.resolve import NOT_SETTINGS, STRUCTURE, resolve_options


def resolved(previous: dict | None = None, **options) -> dict:
    return resolve_options(TrainOptions.named(**options), previous)


@pytest.mark.parametrize("tower", ["history", "sequence"])
def test_defaults_by_tower_and_given_values(tower):
    settings = resolved(tower=tower, lr=0.5)
    assert {name: settings[name] for name in BY_TOWER[tower]} == BY_TOWER[tower] | {"lr": 0.5}
    assert not NOT_SETTINGS & settings.keys()


def test_steps_take_the_place_of_epochs():
    assert resolved(steps=7)["epochs"] is None
    assert resolved(epochs=2)["steps"] is None


@pytest.mark.parametrize(
    ("spec", "nprobe", "list_loss"), [("PQ8", None, 0.0), ("IVF64,PQ8", 8, 0.5), ("OPQ8,IVF256,PQ8", 16, 0.5)]
)
def test_defaults_by_inverted_lists(spec, nprobe, list_loss):
    settings = resolved(spec=spec)
    assert (settings["nprobe"], settings["list_loss"]) == (nprobe, list_loss)


def test_the_structure_is_that_of_the_previous_run():
    previous = resolved(spec="OPQ4,PQ4x4", dim=32, tower="sequence", metric="ip")
    settings = resolved(previous, lr=0.1, spec="OPQ4,PQ4x4")
    assert {name: settings[name] for name in STRUCTURE} == {name: previous[name] for name in STRUCTURE}
    with pytest.raises(ValueError, match=r"dim \(=64\) differs from the previous run's \(=32\).*leave dim out"):
        resolved(previous, dim=64)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 1, "steps": 2}, r"epochs \(=1\) and steps \(=2\) both"),
        ({"steps": 1}, r"steps \(=1\) must be at least 2"),
        ({"epochs": float("nan")}, r"epochs \(=nan\) must be a number above 0"),
        ({"nprobe": 2}, r"nprobe \(=2\) goes with inverted lists"),
        ({"spec": "IVF64,PQ8", "list_loss": 0, "balance": 1}, r"list_loss \(=0\) is off"),
        ({"codes": "fixed", "estimator": "soft"}, r"codes \(='fixed'\) keep one"),
        ({"codes": "fixed", "assignment": "balanced"}, r"give codes='reassigned' too"),
        ({"spec": "PQ7"}, r"dim \(=64\)"),
    ],
    ids=str,
)
def test_options_that_contradict_each_other_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        resolved(**options)
