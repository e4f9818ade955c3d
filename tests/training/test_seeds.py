from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from poeem.training.seeds import check_seed, seed_step


def drawn() -> tuple[float, float, float]:
    return random.random(), float(np.random.rand()), float(torch.rand(()))  # noqa: NPY002


def test_a_step_draws_the_same_whatever_ran_before():
    seed_step(3, 7)
    first = drawn()
    drawn()
    seed_step(3, 7)
    assert drawn() == first


@pytest.mark.parametrize("other", [(4, 7, 0), (3, 8, 0), (3, 7, 1)])
def test_seed_step_and_rank_all_count(other):
    seed_step(3, 7, 0)
    first = drawn()
    seed_step(*other)
    assert all(a != b for a, b in zip(first, drawn()))


@pytest.mark.parametrize("seed", [-1, 2**63, 1.5, True, "0"])
def test_no_seed_is_refused(seed):
    with pytest.raises(ValueError, match=r"seed .* must be a whole number"):
        check_seed(seed)
