"""The learning rate of each step: linear warm-up, then linear, cosine or no decay."""

from __future__ import annotations

import math

DECAYS = ("linear", "cosine", "constant")


def learning_rate(step: int, steps: int, *, peak: float, decay: str = "linear", warmup_share: float = 0.02) -> float:
    """Compute the learning rate of a step. It rises to ``peak`` in the first share of the steps and then falls towards
    0.

    Args:
        step: number of the step, from 0.
        steps: number of steps of the whole run, also if it stops early or is resumed.
        peak: highest learning rate.
        decay: ``"linear"``, ``"cosine"`` or ``"constant"``.
        warmup_share: share of the steps in which it rises, 0 to 1.
    Raises:
        ValueError: the decay is unknown.

    >>> [learning_rate(step, 4, peak=1.0, warmup_share=0.5) for step in range(4)]
    [0.5, 1.0, 1.0, 0.5]
    """
    if decay not in DECAYS:
        raise ValueError(f"decay (={decay!r}) must be one of {', '.join(map(repr, DECAYS))}")
    # At least one step, because Adam's first updates depend on the sign of the gradient only.
    warmup = max(1, int(warmup_share * steps))
    if step < warmup:
        return peak * (step + 1) / warmup
    done = (step - warmup) / max(1, steps - warmup)
    return peak * {"linear": 1 - done, "cosine": 0.5 * (1 + math.cos(math.pi * done)), "constant": 1.0}[decay]
