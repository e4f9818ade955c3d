"""load_run: a finished run of any recipe, by its folder; ``poeem.load``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from poeem.training.recipes.entries import RECIPES
from poeem.training.recipes.recipe import Recipe
from poeem.training.run_folder import CONFIG_FILE, RunFolder


def load_run(path: str | Path, device: str = "cpu") -> Any:
    """Read a finished run from its folder: ``poeem.load``.

    Args:
        path: the folder ``out`` of the training.
        device: ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
    Returns:
        the run's object, by its recipe: ``InteractionRun`` and so on.
    Raises:
        FileNotFoundError: there is no finished run.
        ValueError: a part is damaged, parts come from different runs, or this version lacks the recipe.
    """
    return recipe_of(path).load(path, device)


def recipe_of(path: str | Path) -> Recipe:
    """Return the recipe of a finished run.

    Raises:
        FileNotFoundError: there is no finished run.
        ValueError: its config is damaged, or this version does not have the recipe.
    """
    folder = RunFolder(path)
    name = folder.config()["recipe"]
    if name not in RECIPES:
        raise ValueError(
            f"{folder.model / CONFIG_FILE}: this version of poeem has no recipe {name!r} (it has "
            f"{', '.join(RECIPES)}); use the version that trained it"
        )
    return RECIPES[name]
