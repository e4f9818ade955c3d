"""What a run's model is made of: as given, as the run to start from has it, or as it is by default."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from poeem.spec import IndexSpec

DEFAULTS: dict[str, Any] = {
    "spec": "RQ8",
    "tower": "history",
    "dim": 64,
    "metric": "cosine",
    "assignment": "nearest",
    "history_length": None,
    "item_table": "full",
    "table_bytes": None,
}


def settled_structure(given: Mapping[str, Any], start: Mapping[str, Any] | None) -> dict[str, Any]:
    """The structure of a model.

    Args:
        given: by the names of ``DEFAULTS``; None is not given.
        start: settings of the run to start from, whose structure cannot change; None to start afresh.
    Raises:
        ValueError: something given is not what the run to start from has.
    """
    if start is None:
        return {name: DEFAULTS[name] if given[name] is None else given[name] for name in DEFAULTS}
    found = {name: start.get(name, DEFAULTS[name]) for name in DEFAULTS}
    for name, value in found.items():
        asked = given[name]
        if asked is not None and (str(IndexSpec.parse(asked)) if name == "spec" else asked) != value:
            raise ValueError(
                f"{name} (={asked!r}) is not that of the run to start from (={value!r}), which a run from it keeps; "
                f"leave {name} out"
            )
    return found
