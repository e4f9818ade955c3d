"""compile_guard: keep a function out of the graphs of torch.compile; is_exporting: whether torch.export traces."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

import torch

Method = TypeVar("Method", bound=Callable[..., Any])

# torch before 2.7 lacks it; there an index cannot be exported.
_is_exporting: Callable[[], bool] = getattr(torch.compiler, "is_exporting", lambda: False)


def is_exporting() -> bool:
    """Whether ``torch.export`` traces the caller, so that no values are known.

    >>> is_exporting()
    False
    """
    return _is_exporting()


def compile_guard(method: Method) -> Method:
    """``torch.compiler.disable`` for a function that reads values, counts steps or calls other libraries.

    ``torch.compiler.disable`` imports the compiler where it decorates, which takes longer than all of ``import poeem``.
    Here that waits until something is compiled, when the compiler is loaded anyway.

    ``torch.export`` takes one graph only, so it traces into the function. A guarded function that an export reaches
    must not depend on values there: ask `is_exporting`.

    >>> class Twice:
    ...     @compile_guard
    ...     def of(self, x):
    ...         return 2 * x
    >>> Twice().of(4)
    8
    """
    once: list[Callable[..., Any]] = []

    def disabled() -> Callable[..., Any]:
        # A new wrapper at every call would make the compiler compile the caller again every time.
        if not once:
            once.append(torch.compiler.disable(method))
        return once[0]

    @wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:
        if torch.compiler.is_compiling() and not is_exporting():
            return disabled()(*args, **kwargs)
        return method(*args, **kwargs)

    return cast(Method, call)
