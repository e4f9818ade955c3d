"""Merge the settings of a training from a method, a configuration file and the command line."""

from __future__ import annotations

import dataclasses
import json
import tomllib
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from poeem.option import check_names, option
from poeem.training.methods import method_names, method_settings

Groups = Mapping[str, type]
# The groups for options by name, whose values need not have the right types yet.
ChooseGroups = Callable[[Mapping[str, Any]], Groups]


@dataclass(frozen=True)
class SettingsOptions:
    """Settings from a paper's method, by name, or from a file."""

    method: str | None = option(
        None, "Settings of a paper.", choices=tuple(method_names()), metavar="NAME", shown="poeem"
    )
    set: list[str] | None = option(
        None, "Any setting by name, such as estimator=task; may be repeated.", metavar="NAME=VALUE"
    )
    config: Path | None = option(None, "Read settings from a TOML file.", metavar="FILE")


def merged(given: Mapping[str, Any], groups: Groups | ChooseGroups, command: str) -> dict[str, Any]:
    """Return the settings of a command by name.

    A setting of the command line replaces that of the configuration file, which replaces that of the method.

    Args:
        given: options of the command line, with those of ``SettingsOptions``.
        groups: option groups by their names in a configuration file; or a function that returns them for given options.
        command: ``"train"`` or ``"fit"``.
    Raises:
        ValueError: a name is unknown, a value has a wrong type, or the command line gives a setting twice: two --set,
            or --set and its own option.
    """
    typed = {name: value for name, value in given.items() if name not in ("method", "set", "config")}
    content = read_toml(given["config"]) if "config" in given else {}
    if not isinstance(groups, Mapping):
        in_file = {key: entry for table in content.values() if isinstance(table, dict) for key, entry in table.items()}
        groups = groups(in_file | typed | _assigned(given.get("set", ())))
    file = settings_of(content, groups)
    by_name = parse_assignments(given.get("set", ()), groups)
    for name in by_name:
        if name in typed:
            raise ValueError(f"--set {name}=... and its own option are both given; leave one out")
    method = given.get("method", file.pop("method", None))
    return {**(method_settings(method, command) if method else {}), **file, **typed, **by_name}


def parse_assignments(texts: typing.Iterable[str], groups: Groups) -> dict[str, Any]:
    """Return the values of assignments ``NAME=VALUE`` by name, converted to the types of their fields.

    Raises:
        ValueError: an assignment has no ``=``, an unknown or repeated name, or a value of a wrong type.

    >>> from poeem.training.options.groups import GROUPS
    >>> parse_assignments(["views=quantized", "commitment=0"], GROUPS)
    {'views': 'quantized', 'commitment': 0.0}
    """
    assigned, types = _assigned(texts), _types(groups)
    check_names(assigned, types)
    return {name: _converted(name, value, types[name]) for name, value in assigned.items()}


def _assigned(texts: typing.Iterable[str]) -> dict[str, str]:
    """The texts of assignments ``NAME=VALUE`` by name."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        name = name.strip().replace("-", "_")
        if not equals:
            raise ValueError(f"--set (={text!r}) must be NAME=VALUE, such as estimator=task")
        if name in found:
            raise ValueError(f"--set {name} is given twice; leave one out")
        found[name] = value.strip()
    return found


def read_toml(file: Path) -> dict[str, Any]:
    """Return the contents of a TOML file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is not TOML.
    """
    if not file.is_file():
        raise FileNotFoundError(f"--config (={str(file)!r}): there is no such file")
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"--config (={str(file)!r}) is not TOML ({error})") from None


def settings_of(content: Mapping[str, Any], groups: Groups) -> dict[str, Any]:
    """Return the settings in the contents of a TOML file. Its tables are the groups; ``method`` may precede them.

    Raises:
        ValueError: a setting is unknown, or a value has a wrong type.
    """
    types, found = _types(groups), {}
    for name, value in content.items():
        table = value if isinstance(value, dict) else {name: value}
        if isinstance(value, dict):
            check_names([name], groups)
        known = [field.name for field in dataclasses.fields(groups[name])] if isinstance(value, dict) else ["method"]
        check_names(table, known)
        for key, entry in table.items():
            found[key] = entry if key == "method" else _converted(key, entry, types[key])
    return found


def as_toml(settings: Mapping[str, Any], groups: Groups) -> str:
    """Return all settings as the text of a configuration file. Settings without a value are comments."""
    return "\n".join(_lines(settings, groups)) + "\n"


def _lines(settings: Mapping[str, Any], groups: Groups) -> Iterator[str]:
    for name, group in groups.items():
        yield from ("", f"[{name}]")
        for field in dataclasses.fields(group):
            value = settings.get(field.name, field.default)
            choices = f" One of {', '.join(field.metadata['choices'])}." if field.metadata["choices"] else ""
            shown = field.metadata["shown"]
            yield f"# {field.metadata['help']}{choices}" + (f" Default: {shown}." if shown and value is None else "")
            if value is None:
                yield f"# {field.name} ="
            else:
                yield f"{field.name} = {json.dumps(str(value) if isinstance(value, Path) else value)}"


def _types(groups: Groups) -> dict[str, tuple[type, ...]]:
    """The possible types of each field, without None."""
    hints = {name: hint for group in groups.values() for name, hint in typing.get_type_hints(group).items()}
    return {
        name: tuple(kind for kind in typing.get_args(hint) or (hint,) if kind is not type(None))
        for name, hint in hints.items()
    }


def _converted(name: str, value: Any, types: tuple[type, ...]) -> Any:
    kind = types[0]
    try:
        if kind is bool:
            return {"true": True, "false": False}[str(value).lower()]
        if isinstance(value, bool | dict | list):
            raise ValueError
        if kind is int and float(value) == int(float(value)):
            return int(float(value)) if not isinstance(value, str) else int(value)
        if kind in (float, str, Path):
            return kind(value)
    except (KeyError, ValueError, OverflowError):
        pass
    expected = {bool: "true or false", int: "a whole number", float: "a number"}.get(kind, "text")
    raise ValueError(f"{name} (={value!r}) must be {expected}")
