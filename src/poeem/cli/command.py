"""`options_of`, a decorator that turns the fields of dataclasses into options of a command."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import typing
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import typer

from poeem.cli.places import output_guard
from poeem.cli.settings import ChooseGroups, Groups, merged


def options_of(
    *groups: type, settings: Groups | ChooseGroups | None = None
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator that gives a command the fields of ``groups`` as options.

    The command's first parameter receives the options that were given, by name. Its other parameters are keyword-only.
    Fields made by ``setting`` are not options of the command line. The command runs within :func:`output_guard`, which
    also sees settings from files.

    Args:
        groups: dataclasses with fields made by ``poeem.option``. A name that occurs in several is one option; its help
            text is that of the first.
        settings: the groups whose fields ``--method``, ``--set`` and ``--config`` may give, see :func:`merged`.
    """

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        others = list(inspect.signature(command, eval_str=True).parameters.values())[1:]

        @functools.wraps(command)
        def run(**values: Any) -> Any:
            rest = {parameter.name: values.pop(parameter.name) for parameter in others}
            given = {name: value for name, value in values.items() if value is not None}
            if settings is not None:
                given = merged(given, settings, command.__name__)
            with output_guard(command.__name__, {**rest, **given}):
                return command(given, **rest)

        fields: dict[str, inspect.Parameter] = {}
        for parameter in (parameter for group in groups for parameter in _parameters(group)):
            fields.setdefault(parameter.name, parameter)
        signature = inspect.Signature([*fields.values(), *others])
        run.__signature__ = signature  # pyright: ignore[reportAttributeAccessIssue]
        run.__annotations__ = {name: parameter.annotation for name, parameter in signature.parameters.items()}
        del run.__wrapped__
        return run

    return decorate


def _parameters(group: type) -> Iterator[inspect.Parameter]:
    types = typing.get_type_hints(group)
    panel = group.__doc__.split("\n")[0].rstrip(".") if group.__doc__ else None
    for field in dataclasses.fields(group):
        facts = field.metadata
        if facts["place"] == "set":
            continue
        default = default_text(field)
        shared = {
            "help": facts["help"] + (f" Default: {default}." if default else ""),
            "metavar": facts["metavar"] or "|".join(facts["choices"]) or None,
            "show_default": False,
        }
        if facts["flag"] == "":
            declared = typer.Argument(**shared)
        else:
            flags = (facts["flag"] or "--" + field.name.replace("_", "-")).split(",")
            declared = typer.Option(*flags, **shared, rich_help_panel=panel, hidden=facts["place"] == "more")
        kind = types[field.name] | None
        yield inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind, declared]
        )


def default_text(field: dataclasses.Field[Any]) -> str | None:
    """Return the default of a field as text; None if there is none to show."""
    if field.metadata["shown"] is not None:
        return field.metadata["shown"]
    if isinstance(field.default, bool) or not isinstance(field.default, int | float | str):
        return None
    return f"{field.default:g}" if isinstance(field.default, float) else str(field.default)


def _show_all(context: typer.Context, requested: bool) -> None:
    if not requested:
        return
    for parameter in context.command.params:
        if parameter.name != "help_all":
            parameter.hidden = False  # pyright: ignore[reportAttributeAccessIssue]
    print(context.get_help())
    raise typer.Exit


HelpAll = Annotated[
    bool, typer.Option("--help-all", callback=_show_all, is_eager=True, hidden=True, help="Show all options and exit.")
]
