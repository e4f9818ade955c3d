"""Checks of arguments and vectors; each error names the argument, its value and the fix."""

from __future__ import annotations

import torch
from torch import Tensor

from poeem.functional.compile_guard import compile_guard, is_exporting
from poeem.spec import IndexSpec


def check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Raise ValueError if an argument is none of its choices."""
    if value not in choices:
        raise ValueError(f"{name} (={value!r}) must be one of {', '.join(map(repr, choices))}")


def check_count(name: str, value: int) -> None:
    """Raise ValueError if an argument is not a whole number of 0 or more."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{name} (={value!r}) must be a whole number of 0 or more")


def check_sizes(spec: IndexSpec, *, buffer_rows: int, **counts: int) -> None:
    """Raise ValueError if a number of `EmbeddingIndex` is out of range.

    Args:
        spec: structure, which needs a least number of vectors.
        buffer_rows: vectors to collect for the warm start.
        counts: other whole numbers by name, 0 or more.
    """
    for name, value in (*counts.items(), ("buffer_rows", buffer_rows)):
        check_count(name, value)
    fewest = max(spec.ksub, spec.nlist)
    if buffer_rows < fewest:
        raise ValueError(
            f"buffer_rows (={buffer_rows}) must be at least {fewest}, the most codewords or lists of {str(spec)!r}; "
            "raise it or choose a smaller spec"
        )


class NotFiniteRows(ValueError):
    """Error for vectors with NaN or infinite values."""


@compile_guard
def check_vectors(x: Tensor, dim: int, device: torch.device) -> None:
    """Check the vectors that a layer is called with. While it is exported, only their shape, type and device are
    checked.

    Args:
        x: float, ``(..., dim)``.
        dim, device: what the layer expects.
    Raises:
        ValueError: another shape, type or device.
        NotFiniteRows: a row has a NaN or infinite value.
    """
    if not isinstance(x, Tensor) or not x.is_floating_point():
        kind = x.dtype if isinstance(x, Tensor) else type(x).__name__
        raise ValueError(f"x (={kind}) must be a floating-point tensor; convert it with x.float()")
    if x.ndim < 2 or x.shape[-1] != dim:
        raise ValueError(f"x (shape {tuple(x.shape)}) must be (n, {dim}) or (..., {dim}), rows as wide as dim")
    if x.device != device:
        raise ValueError(f"x (on {x.device}) must be on the device of the index ({device}); move one of them")
    if is_exporting():
        return
    # A finite sum is cheap proof that all is finite; the rows are searched only without it.
    if not bool(x.detach().sum().isfinite()):
        bad = ~x.reshape(-1, dim).isfinite().all(1)
        if bool(bad.any()):
            raise NotFiniteRows(
                f"x has {int(bad.sum())} rows with NaN or infinity, the first is row {_first(bad)}; drop them"
            )


def check_numbers(name: str, numbers: Tensor, shape: tuple[int, ...], end: int) -> None:
    """Raise ValueError if an argument is not a tensor of integers of this shape, all in ``[0, end)``."""
    if numbers.is_floating_point() or tuple(numbers.shape) != shape:
        raise ValueError(f"{name} ({numbers.dtype}, shape {tuple(numbers.shape)}) must be integers of shape {shape}")
    if numbers.numel() and not 0 <= int(numbers.min()) <= int(numbers.max()) < end:
        raise ValueError(f"{name} ({int(numbers.min())} to {int(numbers.max())}) must lie in 0 to {end - 1}")


def _first(rows: Tensor) -> int:
    return int(rows.nonzero()[0])
