"""Randomness as a pure function of (seed, step): nothing to save in a checkpoint, nothing to restore from one."""

from __future__ import annotations

import random

import numpy as np
import torch


def check_seed(seed: int) -> None:
    """Refuse what is no seed.

    >>> check_seed(-1)
    Traceback (most recent call last):
    ...
    ValueError: seed (=-1) must be a whole number from 0 to 2**63 - 1
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**63:
        raise ValueError(f"seed (={seed!r}) must be a whole number from 0 to 2**63 - 1")


def seed_step(seed: int, step: int, rank: int = 0) -> None:
    """Seed Python's, numpy's and torch's global generators for one step of one process.

    Whatever draws from them within the step (dropout, a user's own module) then draws the same after a restart, and
    whatever runs between steps (validation, a checkpoint) cannot disturb it.

    Args:
        seed: of the run.
        step: from 0.
        rank: of the process; ranks must not drop the same units.

    >>> seed_step(0, step=7); first = torch.rand(2)
    >>> seed_step(0, step=7); bool((first == torch.rand(2)).all())
    True
    """
    state = int(np.random.SeedSequence([seed, step, rank]).generate_state(1, np.uint64)[0])
    random.seed(state)
    np.random.seed(state % 2**32)  # noqa: NPY002  the global generator is what others draw from
    torch.manual_seed(state)
