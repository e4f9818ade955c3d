"""Checks of arguments and vectors; each error names the argument, its value and the fix."""

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
    """Raise ValueError if ``x`` is not float ``(..., dim)`` on ``device``, or not finite (an export skips that)."""
    if not isinstance(x, Tensor) or not x.is_floating_point():
        kind = x.dtype if isinstance(x, Tensor) else type(x).__name__
        raise ValueError(f"x (={kind}) must be a floating-point tensor; convert it with x.float()")
    if x.ndim < 2 or x.shape[-1] != dim:
        raise ValueError(f"x (shape {tuple(x.shape)}) must be (n, {dim}) or (..., {dim}), rows as wide as dim")
    if x.device != device:
        raise ValueError(f"x (on {x.device}) must be on the device of the index ({device}); move one of them")
    if torch.compiler.is_exporting():
        return
    # A finite sum is cheap proof that all is finite; the rows are searched only without it.
    if not bool(x.detach().sum().isfinite()):
        bad = ~x.reshape(-1, dim).isfinite().all(1)
        if bool(bad.any()):
            raise ValueError(
                f"x has {int(bad.sum())} rows with NaN or infinity, the first is row {_first(bad)}; drop them"
            )


@compile_guard
def check_nonzero(norms: Tensor, first: int = 0) -> None:
    """Raise ValueError if a norm of ``(n, 1)`` is zero (an export skips that); ``first`` is the first row's number."""
    if torch.compiler.is_exporting():
        return
    zero = norms[:, 0] == 0
    if bool(zero.any()):
        raise ValueError(
            f"x has {int(zero.sum())} zero rows, the first is row {first + _first(zero)}; they have no direction under "
            "metric='cosine': drop them or use metric='ip'"
        )


def check_numbers(name: str, numbers: Tensor, shape: tuple[int, ...], end: int) -> None:
    """Raise ValueError if ``numbers`` are not integers of ``shape`` in ``[0, end)``."""
    if numbers.is_floating_point() or tuple(numbers.shape) != shape:
        raise ValueError(f"{name} ({numbers.dtype}, shape {tuple(numbers.shape)}) must be integers of shape {shape}")
    if numbers.numel() and not 0 <= int(numbers.min()) <= int(numbers.max()) < end:
        raise ValueError(f"{name} ({int(numbers.min())} to {int(numbers.max())}) must lie in 0 to {end - 1}")


def _first(rows: Tensor) -> int:
    return int(rows.nonzero()[0])
