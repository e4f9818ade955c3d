"""Random seeds as a function of (seed, step): checkpoints need not store random states."""

from __future__ import annotations

import random

import numpy as np
import torch


def check_seed(seed: int) -> None:
    """Raise ValueError for a seed that is not a whole number in range.

    >>> check_seed(-1)
    Traceback (most recent call last):
    ...
    ValueError: seed (=-1) must be a whole number from 0 to 2**63 - 1
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**63:
        raise ValueError(f"seed (={seed!r}) must be a whole number from 0 to 2**63 - 1")


def seed_step(seed: int, step: int, rank: int = 0) -> None:
    """Seed Python's, numpy's and torch's global generators for one step of one process.

    Random numbers within the step (of dropout, or of a user's module) are then equal after a restart, and do not depend
    on what ran between steps (validation, a checkpoint).

    Args:
        seed: seed of the run.
        step: number of the step, from 0.
        rank: number of the process. Processes get different random numbers, for instance for dropout.

    >>> seed_step(0, step=7); first = torch.rand(2)
    >>> seed_step(0, step=7); bool((first == torch.rand(2)).all())
    True
    """
    state = int(np.random.SeedSequence([seed, step, rank]).generate_state(1, np.uint64)[0])
    random.seed(state)
    np.random.seed(state % 2**32)  # noqa: NPY002  other modules use the global generator
    torch.manual_seed(state)
