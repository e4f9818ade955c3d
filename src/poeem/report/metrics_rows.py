"""Rows of ``metrics.json``: float models, index and baselines, with bytes and build time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from poeem.training.recipes.entries import RECIPES

# Figures of a fit, which has no recipe.
FIT_FIGURES = ("recall@100", "recall@10", "neighbour_recall@10")


@dataclass(frozen=True)
class MetricsRow:
    """One model or index.

    Args:
        name: for tables.
        block: its figures, with ``intervals``.
        bytes: bytes per vector; None for a float model of unknown width.
        seconds: to build the index after training; None for a float model.
    """

    name: str
    block: Mapping[str, Any]
    bytes: int | None
    seconds: float | None


def figure_names(metrics: Mapping[str, Any]) -> tuple[Sequence[str], str]:
    """Return the names of a run's figures that are shown, and that of the main one."""
    if "recipe" in metrics:
        recipe = RECIPES[metrics["recipe"]]
        shown = [name for name in recipe.figures if name in metrics["index"]]
        return recipe.figures, recipe.main_figure if recipe.main_figure in metrics["index"] else shown[0]
    shown = [name for name in FIT_FIGURES if name in metrics["index"]]
    return shown, shown[0]


def metrics_rows(metrics: Mapping[str, Any]) -> list[MetricsRow]:
    """Return the rows of a run or a fit, float models first."""
    size = metrics["bytes_per_vector"]
    if "recipe" not in metrics:
        built = metrics["timings"]
        seconds = sum(built.get(name, 0.0) for name in ("warm_start_seconds", "train_seconds", "bundle_seconds"))
        return [
            MetricsRow("exact search", metrics["float"], None, None),
            MetricsRow("index, before", metrics["warm_start"], size, built.get("warm_start_seconds")),
            MetricsRow("index, fitted", metrics["index"], size, seconds),
        ]
    wide = 4 * metrics["settings"]["dim"]
    rows = []
    if metrics["float"] is not None:
        alone = "float, trained without index" if "joint_float" in metrics else "float, trained with index"
        rows.append(MetricsRow(alone, metrics["float"], wide, None))
    if "joint_float" in metrics:
        rows.append(MetricsRow("float, trained with index", metrics["joint_float"], wide, None))
    rows.append(MetricsRow("index, trained jointly", metrics["index"], size, metrics["timings"]["bundle_seconds"]))
    if "index_full_probe" in metrics:
        rows.append(MetricsRow("the same, all lists", metrics["index_full_probe"], size, None))
    for name, block in metrics["baselines"].items():
        rows.append(MetricsRow(f"{name}, post-hoc", block, block["bytes_per_vector"], block["build_seconds"]))
    for name, block in metrics.get("pixels", {}).items():
        label = "exact, raw pixels" if name == "float" else f"{name}, raw pixels"
        rows.append(MetricsRow(label, block, block.get("bytes_per_vector"), block.get("build_seconds")))
    return rows
