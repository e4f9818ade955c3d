from __future__ import annotations

import pytest
import torch

from poeem.layers.checks import NotFiniteRows
from poeem.training.finite import FiniteGuard, NotFinite, divergence_as_not_finite


def test_names_the_first_step_that_was_not_finite(device):
    guard = FiniteGuard(device)
    guard.note(4, torch.tensor(1.0, device=device), None)
    guard.check()

    def diverge() -> None:
        guard.note(5, torch.tensor(1.0, device=device), torch.tensor(float("inf"), device=device))
        guard.note(6, torch.tensor(float("nan"), device=device))
        guard.check()

    with pytest.raises(NotFinite, match="not finite at step 5"):
        diverge()


def test_vectors_that_are_not_finite_after_the_first_step_are_no_fault_of_the_data():
    with pytest.raises(NotFiniteRows), divergence_as_not_finite(0):
        raise NotFiniteRows("x has 1 rows with NaN")
    with pytest.raises(NotFinite, match="not finite after step 3: training has diverged"), divergence_as_not_finite(3):
        raise NotFiniteRows("x has 1 rows with NaN")
    with pytest.raises(ValueError, match="other"), divergence_as_not_finite(3):
        raise ValueError("other")
