"""Keep a function out of torch.compile's graphs, without loading the compiler when nothing is compiled."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

import torch

Method = TypeVar("Method", bound=Callable[..., Any])


def compile_guard(method: Method) -> Method:
    """``torch.compiler.disable`` for what looks at values, counts steps or leaves torch.

    ``torch.compiler.disable`` imports the compiler where it decorates, which takes longer than all of ``import poeem``;
    here that waits until something is compiled, when the compiler is loaded anyway.

    >>> class Twice:
    ...     @compile_guard
    ...     def of(self, x):
    ...         return 2 * x
    >>> Twice().of(4)
    8
    """
    kept: list[Callable[..., Any]] = []

    def disabled() -> Callable[..., Any]:
        # Made once: a new wrapper at every call would make the compiler compile the caller anew every time.
        if not kept:
            kept.append(torch.compiler.disable(method))
        return kept[0]

    @wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:
        if torch.compiler.is_compiling():
            return disabled()(*args, **kwargs)
        return method(*args, **kwargs)

    return cast(Method, call)
