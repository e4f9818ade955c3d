"""A field of an option group: default, help text, known choices; and the checks that all groups share."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable
from typing import Any


def option(default: Any, help: str, *, choices: tuple[str, ...] = (), flag: str | None = None) -> Any:
    """A dataclass field.

    Args:
        default: value where nothing is given; None stands for a default that depends on other options.
        help: one line for ``--help`` and configuration files.
        choices: the known values.
        flag: option of the command line, if it is not the field's name.
    """
    return dataclasses.field(default=default, metadata={"help": help, "choices": choices, "flag": flag})


def check_choices(group: Any) -> None:
    """Refuse a value that is none of the choices of its field.

    Raises:
        ValueError: as above.
    """
    for field in dataclasses.fields(group):
        value, choices = getattr(group, field.name), field.metadata["choices"]
        if choices and value is not None and value not in choices:
            raise ValueError(f"{field.name} (={value!r}) must be one of {', '.join(map(repr, choices))}")


def check_names(names: Iterable[str], known: Iterable[str]) -> None:
    """Refuse a name that no option has; the message names the nearest one.

    Raises:
        ValueError: as above.

    >>> check_names(["distil"], ["distill", "dim"])
    Traceback (most recent call last):
    ...
    ValueError: there is no option 'distil'; did you mean 'distill'?
    """
    known = sorted(known)
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"the options are {', '.join(known)}"
            raise ValueError(f"there is no option {name!r}; {hint}")
