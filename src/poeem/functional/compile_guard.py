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
    """Return whether ``torch.export`` is tracing the caller. Tensors then have no values to look at.

    >>> is_exporting()
    False
    """
    return _is_exporting()


def compile_guard(method: Method) -> Method:
    """Decorate a function so that ``torch.compile`` does not compile it; for functions that look at values or count
    steps.

    It does what ``torch.compiler.disable`` does. That decorator imports the compiler where it decorates, which takes
    longer than all of ``import poeem``; this one imports it only once something is compiled.

    ``torch.export`` does trace into the function, because it needs a single graph. A decorated function that an export
    reaches must not look at values then; `is_exporting` tells it.

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
