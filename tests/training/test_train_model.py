from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from poeem.training.train_model import TrainState

STORED = asdict(TrainState(step=7, seconds=1.5, best_step=5, best_value=[0.5, 1], rounds=2))


@pytest.mark.parametrize("state", [STORED, asdict(TrainState()), STORED | {"seconds": 2, "best_value": None}])
def test_a_state_comes_back_from_json(state):
    assert asdict(TrainState.of(json.loads(json.dumps(state)))) == state


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("step", None),
        ("step", 1.0),
        ("step", True),
        ("seconds", "1"),
        ("best_step", [5]),
        ("best_value", 0.5),
        ("best_value", [0.5, None]),
        ("best_value", [True]),
        ("stopped", 0),
    ],
)
def test_a_field_of_another_type_is_refused(name, value):
    with pytest.raises(ValueError, match=rf"the checkpoint's state has {name}=.*; delete that checkpoint"):
        TrainState.of(STORED | {name: value})


def test_missing_and_unknown_fields_are_refused():
    with pytest.raises(ValueError, match="state has rounds='missing'; delete"):
        TrainState.of({name: value for name, value in STORED.items() if name != "rounds"})
    with pytest.raises(ValueError, match="unknown field 'epoch'"):
        TrainState.of(STORED | {"epoch": 1})
