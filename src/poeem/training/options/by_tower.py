"""Defaults that depend on the query tower, for settings and for help texts."""

from __future__ import annotations

from typing import Any

# An example of the sequence tower has up to 100 positives, one of the history tower has one.
BY_TOWER: dict[str, dict[str, Any]] = {
    "history": {"epochs": 5, "batch_size": 1024, "lr": 6e-3, "history_length": 20, "dropout": 0.0, "index_lr": 1.0},
    "sequence": {"epochs": 5, "batch_size": 24, "lr": 4e-3, "history_length": 100, "dropout": 0.2, "index_lr": 1.0},
}


def default_text(name: str) -> str:
    """Describe the default of an option for its help text.

    >>> default_text("lr")
    'Default: 0.006; sequence tower 0.004.'
    """
    history, sequence = (BY_TOWER[tower][name] for tower in ("history", "sequence"))
    return f"Default: {history:g}; sequence tower {sequence:g}."
