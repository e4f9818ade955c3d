"""What the layer refuses, each by one error that names the argument, its value and the mend."""

from __future__ import annotations

import torch
from torch import Tensor

from poeem.functional.compile_guard import compile_guard


def check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name} (={value!r}) must be one of {', '.join(map(repr, choices))}")


def check_count(name: str, value: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{name} (={value!r}) must be a whole number of 0 or more")


@compile_guard
def check_vectors(x: Tensor, dim: int, device: torch.device) -> None:
    """Refuse what is no finite float ``(..., dim)`` on ``device``."""
    if not isinstance(x, Tensor) or not x.is_floating_point():
        kind = x.dtype if isinstance(x, Tensor) else type(x).__name__
        raise ValueError(f"x (={kind}) must be a floating-point tensor; convert it with x.float()")
    if x.ndim < 2 or x.shape[-1] != dim:
        raise ValueError(f"x (shape {tuple(x.shape)}) must be (n, {dim}) or (..., {dim}), rows as wide as dim")
    if x.device != device:
        raise ValueError(f"x (on {x.device}) must be on the device of the index ({device}); move one of them")
    # A finite sum is cheap proof that all is finite; only without it are the rows looked at.
    if not bool(x.detach().sum().isfinite()):
        bad = ~x.reshape(-1, dim).isfinite().all(1)
        if bool(bad.any()):
            raise ValueError(
                f"x has {int(bad.sum())} rows with NaN or infinity, the first is row {_first(bad)}; drop them"
            )


@compile_guard
def check_nonzero(norms: Tensor, first: int = 0) -> None:
    """Refuse rows whose norms ``(n, 1)`` are zero; ``first`` is the number of the first of them."""
    zero = norms[:, 0] == 0
    if bool(zero.any()):
        raise ValueError(
            f"x has {int(zero.sum())} zero rows, the first is row {first + _first(zero)}; they have no direction under "
            "metric='cosine': drop them or use metric='ip'"
        )


def check_numbers(name: str, numbers: Tensor, shape: tuple[int, ...], end: int) -> None:
    """Refuse what are no integers of ``shape`` in ``[0, end)``."""
    if numbers.is_floating_point() or tuple(numbers.shape) != shape:
        raise ValueError(f"{name} ({numbers.dtype}, shape {tuple(numbers.shape)}) must be integers of shape {shape}")
    if numbers.numel() and not 0 <= int(numbers.min()) <= int(numbers.max()) < end:
        raise ValueError(f"{name} ({int(numbers.min())} to {int(numbers.max())}) must lie in 0 to {end - 1}")


def _first(rows: Tensor) -> int:
    return int(rows.nonzero()[0])
