"""What a test query of a run was, in words: a user's history, a text, what was typed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

_LAST_ITEMS = 4

# From the number of a query to its name.
Names = Callable[[int], str]


def query_names(run: Any) -> Names:
    """Return the function for the queries that `explain` takes of a run; None or another recipe gives numbers."""
    recipe = None if run is None else run.config["recipe"]
    return _RECIPES.get(recipe, lambda run: lambda number: f"query {number}")(run)


def item_titles(bundle: Any) -> Callable[[Any], str]:
    """Return the function from an id to the title of an item, or the id without one."""
    columns = bundle.columns
    if columns is None or "title" not in columns.column_names:
        return str

    def title(id: Any) -> str:
        text = columns["title"][int(bundle.row_of([id])[0])].as_py()
        return str(id) if text is None else f"{text} ({id})"

    return title


def _histories(run: Any) -> Names:
    title, test, interactions = item_titles(run.bundle), run.split.test, run.interactions
    known = set(run.bundle.ids.tolist())

    def name(number: int) -> str:
        ids = interactions.item_ids[test.history.take(np.array([number])).values[-_LAST_ITEMS:]].tolist()
        last = "; ".join(title(id) if id in known else str(id) for id in ids)
        return f"user {interactions.user_ids[test.users[number]]}, after {last}"

    return name


def _texts(run: Any) -> Names:
    return lambda number: str(run.pairs.queries[run.test.users[number]])


def _typed(run: Any) -> Names:
    events = run.events
    rows = np.isin(events.item_ids, run.bundle.ids)[events.item[run.split.test]]
    test = run.split.test[rows]

    def name(number: int) -> str:
        query = events.query[test[number]]
        typed = repr(events.queries[query]) if query >= 0 else "without a query"
        return f"user {events.user_ids[events.user[test[number]]]}: {typed}"

    return name


def _images(run: Any) -> Names:
    return lambda number: str(run.names[run.queries[number]])


_RECIPES: dict[Any, Callable[[Any], Names]] = {
    "interactions": _histories,
    "pairs": _texts,
    "events": _typed,
    "images": _images,
}
