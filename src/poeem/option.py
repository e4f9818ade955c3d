"""option: a field of an option group, with default, help text and choices; and the checks of all groups."""

from __future__ import annotations

import dataclasses
import difflib
import functools
from collections.abc import Iterable
from typing import Any, Literal

# Where the command line shows an option: "first" on the first screen of --help, "more" by --help-all, "set" nowhere.
Place = Literal["first", "more", "set"]


def option(
    default: Any,
    help: str,
    *,
    choices: tuple[str, ...] = (),
    flag: str | None = None,
    place: Place = "first",
    metavar: str | None = None,
    shown: str | None = None,
) -> Any:
    """Make a field of an option group: a dataclass field with help text and choices.

    Args:
        default: default value; None stands for a default that depends on other options.
        help: one line for ``--help`` and configuration files.
        choices: the known values.
        flag: option of the command line, if it is not the field's name; ``""``: a positional argument.
        place: where the command line shows it.
        metavar: placeholder of the value in ``--help``.
        shown: the default that ``--help`` shows if ``default`` is None.
    Returns:
        the field, for the body of a frozen dataclass.
    """
    facts = {"help": help, "choices": choices, "flag": flag, "place": place, "metavar": metavar, "shown": shown}
    return dataclasses.field(default=default, metadata=facts)


# An option that only --help-all shows.
more_option = functools.partial(option, place="more")
# Given by --set NAME=VALUE or in a configuration file only.
setting = functools.partial(option, place="set")


def check_choices(group: Any) -> None:
    """Check the values of fields that have choices.

    Raises:
        ValueError: a value is not one of the choices.
    """
    for field in dataclasses.fields(group):
        value, choices = getattr(group, field.name), field.metadata["choices"]
        if choices and value is not None and value not in choices:
            raise ValueError(f"{field.name} (={value!r}) must be one of {', '.join(map(repr, choices))}")


def check_names(names: Iterable[str], known: Iterable[str]) -> None:
    """Check that every name is known.

    Raises:
        ValueError: a name is not; the message names the nearest one.

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
    """Make an object of each group from fields by name. Names are distinct over the groups.

    Returns:
        the objects, in the order of the groups.
    Raises:
        ValueError: an unknown name, or a value out of range.
    """
    groups = list(groups)
    names = {group: [field.name for field in dataclasses.fields(group)] for group in groups}
    check_names(values, (field for fields in names.values() for field in fields))
    return [group(**{name: values[name] for name in names[group] if name in values}) for group in groups]
