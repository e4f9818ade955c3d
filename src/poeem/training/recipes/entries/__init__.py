"""RECIPES: the recipes of ``poeem train``, a module each. They import neither torch nor numpy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from poeem.training.recipes.entries import events, images, interactions, pairs
from poeem.training.recipes.recipe import Recipe

# In the order of help texts and messages. The first one has the defaults of `--print-config` without data.
RECIPES: dict[str, Recipe] = {
    recipe.name: recipe for recipe in (interactions.RECIPE, pairs.RECIPE, images.RECIPE, events.RECIPE)
}


def choose_recipe(options: Mapping[str, Any]) -> Recipe | None:
    """Return the recipe for the data that the options name; None if they name no data.

    Args:
        options: options of ``poeem train`` by name.
    Raises:
        ValueError: they name data more than once, an unknown data set, or an option that the recipe does not take.

    >>> [choose_recipe(options).name for options in ({"interactions": "events.csv"}, {"dataset": "ml-1m"})]
    ['interactions', 'interactions']
    """
    given = [name for name in (*RECIPES, "dataset") if options.get(name) is not None]
    if not given:
        return None
    if len(given) > 1:
        named = " and ".join(f"--{name}" for name in given)
        raise ValueError(f"give one of {data_usage()}; {named} are given")
    recipe = RECIPES[given[0]] if given[0] in RECIPES else _of_dataset(options["dataset"])
    for name in options:
        owners = [other for other in RECIPES.values() if name in other.options]
        if owners and recipe not in owners:
            usual = f"--{name.replace('_', '-')}"
            flag = name if owners[0].options[name].metadata["place"] == "set" else usual
            flag = owners[0].options[name].metadata["flag"] or flag
            raise ValueError(f"{flag} goes with {' and '.join(f'--{owner.name}' for owner in owners)}; leave it out")
    return recipe


def data_usage() -> str:
    """List the options that name data, for messages."""
    return ", ".join(recipe.usage for recipe in RECIPES.values()) + " and --dataset NAME"


def _of_dataset(name: str) -> Recipe:
    for recipe in RECIPES.values():
        if name in recipe.data_sets:
            return recipe
    known = ", ".join(name for recipe in RECIPES.values() for name in recipe.data_sets)
    raise ValueError(f"dataset (={name!r}) is not known; choose from {known}")
