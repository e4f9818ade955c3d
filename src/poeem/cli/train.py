"""``poeem train``: train a model and its index, by the recipe for the given data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from poeem.cli.command import HelpAll, options_of
from poeem.cli.errors import Failure
from poeem.cli.options import Json, PrintConfig
from poeem.cli.output import print_json, say
from poeem.cli.settings import Groups, SettingsOptions, as_toml
from poeem.option import named
from poeem.training.options.run import RunOptions
from poeem.training.recipes.entries import RECIPES, choose_recipe, data_usage
from poeem.training.recipes.recipe import Recipe

FIRST = next(iter(RECIPES.values()))


def chosen_groups(options: Mapping[str, Any]) -> Groups:
    """Return the option groups of the recipe that these options choose; of the first recipe if they choose none."""
    return (choose_recipe(options) or FIRST).groups


def _help_groups() -> list[type]:
    """The option groups of all recipes in the order of the help text: data, run, others."""
    groups = [recipe.groups for recipe in RECIPES.values()]
    files = [one["files"] for one in groups]
    return list(dict.fromkeys([*files, RunOptions, *(group for one in groups for group in one.values())]))


@options_of(*_help_groups(), SettingsOptions, settings=chosen_groups)
def train(
    settings: dict[str, Any],
    *,
    resume: Annotated[bool, typer.Option("--resume", help="Resume the run in --out; same options.")] = False,
    print_config: PrintConfig = False,
    json: Json = False,
    help_all: HelpAll = False,
) -> None:
    """Train a model and its index together, and compare with post-hoc indexes.

    The data choose the recipe, and with it which options there are.

    All options: poeem train --help-all. All settings, for --set and --config: poeem train --print-config.
    """
    recipe = choose_recipe(settings)
    if print_config:
        print(as_toml(settings, (recipe or FIRST).groups), end="")
        return
    if settings.get("out") is None:
        raise ValueError("give the folder of the run: --out DIR")
    if recipe is None:
        raise ValueError(f"give one of {data_usage()}")
    from poeem.cli.print_metrics import print_metrics

    options = dict(zip(recipe.groups, named(recipe.groups.values(), **settings)))
    out = options["run"].out
    try:
        metrics = recipe.train(_read(recipe, options), options, resume)
    except KeyboardInterrupt:
        if (out / "checkpoints").is_dir():
            say(f"the run is kept in {out}; resume it with the same command and --resume")
        raise
    if not metrics:  # one of several processes, not the first
        return
    print_json(metrics) if json else print_metrics(metrics, out)


def _read(recipe: Recipe, options: Mapping[str, Any]) -> Any:
    try:
        return recipe.read(options, say)
    except RuntimeError as error:
        raise Failure(str(error)) from error
