"""Interactions stored beside a run's model, for histories in searches and for the split of later evaluations."""

from __future__ import annotations

import hashlib
from pathlib import Path

from poeem.data.interactions import Interactions
from poeem.training.stored_table import read_stored_table

EVENTS_FILE, USERS_FILE, ITEMS_FILE = "interactions.parquet", "users.parquet", "items.parquet"


def write_interactions(folder: Path, interactions: Interactions) -> None:
    """Write interactions as three Parquet files: events by number, ids of users, ids of items with their table."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    events = {"user": interactions.user, "item": interactions.item, "timestamp": interactions.timestamp}
    pq.write_table(pa.table(events), folder / EVENTS_FILE, compression="zstd")
    pq.write_table(pa.table({"id": pa.array(interactions.user_ids)}), folder / USERS_FILE, compression="zstd")
    items = pa.table({"id": pa.array(interactions.item_ids)})
    if interactions.item_table is not None:
        # The id is the first column, the item table is all others: names cannot collide.
        for name, column in zip(interactions.item_table.column_names, interactions.item_table.columns):
            items = items.append_column(name, column)
    pq.write_table(items, folder / ITEMS_FILE, compression="zstd")


def read_stored_interactions(folder: Path) -> Interactions:
    """Read the files of ``write_interactions``.

    Raises:
        ValueError: a file is missing or damaged.
    """
    events, users, items = (read_stored_table(folder / name) for name in (EVENTS_FILE, USERS_FILE, ITEMS_FILE))
    others = items.remove_column(0)
    return Interactions(
        user=events["user"].to_numpy(),
        item=events["item"].to_numpy(),
        timestamp=events["timestamp"].to_numpy(),
        user_ids=users["id"].to_numpy(),
        item_ids=items.column(0).to_numpy(),
        item_table=others if others.column_names else None,
    )


def interactions_digest(interactions: Interactions) -> str:
    """Compute the SHA-256 over events and ids. A run is resumed only on equal data."""
    digest = hashlib.sha256()
    for numbers in (interactions.user, interactions.item, interactions.timestamp):
        digest.update(numbers.tobytes())
    for ids in (interactions.user_ids, interactions.item_ids):
        digest.update("\n".join(map(str, ids.tolist())).encode())
    return digest.hexdigest()
