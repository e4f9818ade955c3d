"""A field of an option group: default, help text, known choices; and the checks that all groups share."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable
from typing import Any, Literal

# Where the command line has an option: on the first screen of --help; as an option that --help-all lists; by
# --set NAME=VALUE and in configuration files only.
Place = Literal["first", "more", "set"]


def option(
    default: Any,
    help: str,
    *,
    choices: tuple[str, ...] = (),
    flag: str | None = None,
    place: Place = "more",
    metavar: str | None = None,
    shown: str | None = None,
) -> Any:
    """A dataclass field.

    Args:
        default: value where nothing is given; None stands for a default that depends on other options.
        help: one line for ``--help`` and configuration files.
        choices: the known values.
        flag: option of the command line, if it is not the field's name; ``""``: an argument without a name.
        place: where the command line has it.
        metavar: what stands for the value in ``--help``.
        shown: the default as ``--help`` shows it, where ``default`` is None.
    """
    facts = {"help": help, "choices": choices, "flag": flag, "place": place, "metavar": metavar, "shown": shown}
    return dataclasses.field(default=default, metadata=facts)


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


def named(groups: Iterable[type], **values: Any) -> list[Any]:
    """Objects of all groups with fields by their names, which are distinct over the groups.

    Raises:
        ValueError: an unknown name, or a value out of range.
    """
    groups = list(groups)
    names = {group: [field.name for field in dataclasses.fields(group)] for group in groups}
    check_names(values, (field for fields in names.values() for field in fields))
    return [group(**{name: values[name] for name in names[group] if name in values}) for group in groups]
