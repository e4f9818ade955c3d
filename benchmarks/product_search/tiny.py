"""A small made-up log of product search, for smoke runs and tests."""

from __future__ import annotations

import numpy as np

from poeem.data.events.search_events import SearchEvents

KINDS = ("milk", "bread", "tea", "cola", "soup")
BRANDS = ("acme", "best", "corner", "delight")


def tiny_tables(n: int = 3000, n_users: int = 40):
    """Events and items as Arrow tables: every user looks for kinds of goods and chooses those of one brand."""
    import pyarrow as pa

    rng, numbers = np.random.default_rng(0), np.arange(400)
    kinds, brands = [KINDS[i // 80] for i in numbers], [BRANDS[i % 4] for i in numbers]
    items = pa.table(
        {
            "item": [f"p{i}" for i in numbers],
            "title": [f"{brand} {kind} {i}" for i, (brand, kind) in enumerate(zip(brands, kinds))],
            "category": kinds,
            "brand": brands,
            "price": 1.0 + numbers % 7,
        }
    )
    user, kind = rng.integers(0, n_users, n), rng.integers(0, 5, n)
    item = kind * 80 + user % 4 + 4 * rng.integers(0, 20, n)
    events = pa.table(
        {
            "user": [f"u{number}" for number in user],
            "timestamp": np.arange(n),
            "query": [KINDS[number] if asked > 0.1 else None for number, asked in zip(kind, rng.random(n))],
            "item": [f"p{number}" for number in item],
            "event": rng.choice(["buy", "click"], n),
        }
    )
    return events, items


def tiny_events() -> SearchEvents:
    """The log of ``tiny_tables``."""
    return SearchEvents.from_table(*tiny_tables())
