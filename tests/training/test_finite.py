from __future__ import annotations

import pytest
import torch

from poeem.training.finite import FiniteGuard, NotFinite


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
