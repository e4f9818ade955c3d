from __future__ import annotations

import pytest

from poeem.training.options.groups import IndexOptions
from poeem.training.plan import Plan

SETTINGS = {"steps": 50, "lr": 0.01, "decay": "linear", "weight_decay": 0.0, "seed": 0}


def test_the_index_starts_at_its_share_of_the_steps():
    # Settings of earlier versions have no share.
    assert Plan.from_settings(SETTINGS).index_step == 25
    assert Plan.from_settings(SETTINGS | {"warm_start": None}).index_step == 25
    assert Plan.from_settings(SETTINGS | {"warm_start": 0.7}).index_step == 35
    # A run that goes on from another has its index already.
    assert Plan.from_settings(SETTINGS | {"warm_start": 0.7}, warm_start_step=0).index_step == 0


def test_a_share_of_all_steps_is_refused():
    with pytest.raises(ValueError, match=r"warm_start \(=1.0\) is a share of the steps, 0 to below 1"):
        IndexOptions(warm_start=1.0)
