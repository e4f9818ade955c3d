"""Marks what torch.compile leaves alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch

F = TypeVar("F", bound=Callable)


def eager(function: F) -> F:
    """Keep a function out of compiled graphs: it looks at values, counts steps or leaves torch.

    torch's own decorator, with the type of the function kept.
    """
    return torch.compiler.disable(function)  # type: ignore[return-value]
