"""Search events and vocabulary stored beside a run's model, for histories in searches and for later evaluations."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np

from poeem.data.events.search_events import SearchEvents
from poeem.data.vocabulary import Vocabulary
from poeem.training.stored_table import read_stored_table

EVENTS_FILE, USERS_FILE, ITEMS_FILE = "events.parquet", "users.parquet", "items.parquet"
QUERIES_FILE, TEXTS_FILE = "queries.parquet", "vocabulary.json"
NUMBERS = ("user", "timestamp", "query", "item", "kind")


def write_events(folder: Path, events: SearchEvents, vocabulary: Vocabulary) -> None:
    """Parquet files of events by number, users, items with their table and queries; and the vocabulary."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    items = pa.table({"id": pa.array(events.item_ids)})
    # The id is the first column, the item table is all others: names cannot collide.
    for name, column in zip(events.item_table.column_names, events.item_table.columns):
        items = items.append_column(name, column)
    tables = {
        EVENTS_FILE: pa.table({name: getattr(events, name) for name in NUMBERS}),
        USERS_FILE: pa.table({"id": pa.array(events.user_ids)}),
        ITEMS_FILE: items,
        QUERIES_FILE: pa.table({"query": pa.array(list(events.queries), pa.string())}),
    }
    for name, table in tables.items():
        pq.write_table(table, folder / name, compression="zstd")
    texts = {"kinds": list(events.kinds)} | {
        name: list(getattr(vocabulary, name)) for name in ("words", "characters", "bigrams")
    }
    (folder / TEXTS_FILE).write_text(json.dumps(texts, ensure_ascii=False), encoding="utf-8")


def read_stored_events(folder: Path) -> tuple[SearchEvents, Vocabulary]:
    """Read the files of ``write_events``.

    Raises:
        ValueError: a file is missing or damaged.
    """
    tables = [read_stored_table(folder / name) for name in (EVENTS_FILE, USERS_FILE, ITEMS_FILE, QUERIES_FILE)]
    numbers, users, items, queries = tables
    file = folder / TEXTS_FILE
    try:
        texts = json.loads(file.read_text(encoding="utf-8"))
        kinds, vocabulary = texts.pop("kinds"), Vocabulary(**texts)
    except (OSError, ValueError, TypeError, AttributeError, KeyError) as error:
        raise ValueError(f"{file}: cannot be read ({error}); restore the file, or train again") from None
    events = SearchEvents(
        **{name: np.array(numbers[name].to_numpy()) for name in NUMBERS},
        user_ids=users["id"].to_numpy(),
        item_ids=items.column(0).to_numpy(),
        queries=queries["query"].to_pylist(),
        kinds=kinds,
        item_table=items.remove_column(0),
    )
    return events, vocabulary


def events_digest(events: SearchEvents) -> str:
    """SHA-256 over events, ids, queries and titles. A run is resumed only on equal data."""
    digest = hashlib.sha256()
    for name in NUMBERS:
        digest.update(getattr(events, name).tobytes())
    for texts in (events.user_ids.tolist(), events.item_ids.tolist(), events.queries, events.kinds, events.titles):
        digest.update("\n".join(map(str, texts)).encode())
    return digest.hexdigest()
