"""Pairs of texts stored beside a run's model, for later evaluations and searches."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from poeem.bundle.ids import ids_to_arrow
from poeem.data.pairs.text_pairs import TextPairs
from poeem.data.ragged import Ragged
from poeem.training.stored_table import read_stored_table

ITEMS_FILE, QUERIES_FILE, OTHERS_FILE = "items.parquet", "queries.parquet", "others.parquet"


def write_pairs(folder: Path, pairs: TextPairs) -> None:
    """Write pairs as three Parquet files: items, queries with the numbers of their items, and texts of further
    negatives. The warning is not stored.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    items = {"id": ids_to_arrow(pairs.item_ids), "text": pa.array(pairs.items, pa.string())}
    if pairs.titles is not None:
        items["title"] = pa.array(pairs.titles, pa.string())
    queries = {"text": pa.array(pairs.queries, pa.string())}
    for name, rows in (("relevant", pairs.relevant), ("negatives", pairs.negatives)):
        queries[name] = pa.LargeListArray.from_arrays(pa.array(rows.offsets), pa.array(rows.values))
    others = {"text": pa.array(pairs.others, pa.string())}
    for file, columns in ((ITEMS_FILE, items), (QUERIES_FILE, queries), (OTHERS_FILE, others)):
        pq.write_table(pa.table(columns), folder / file, compression="zstd")


def read_stored_pairs(folder: Path) -> TextPairs:
    """Read the files of ``write_pairs``.

    Raises:
        ValueError: a file is missing or damaged.
    """
    items, queries, others = (read_stored_table(folder / name) for name in (ITEMS_FILE, QUERIES_FILE, OTHERS_FILE))

    def rows(name: str) -> Ragged:
        lists = queries[name].combine_chunks()
        return Ragged(np.asarray(lists.offsets).astype(np.int64), lists.values.to_numpy())

    return TextPairs(
        items=items["text"].to_pylist(),
        item_ids=items["id"].to_numpy(),
        queries=queries["text"].to_pylist(),
        relevant=rows("relevant"),
        negatives=rows("negatives"),
        others=others["text"].to_pylist(),
        titles=items["title"].to_pylist() if "title" in items.column_names else None,
    )


def pairs_digest(pairs: TextPairs) -> str:
    """Compute the SHA-256 over texts, ids and their relations; titles do not count. A run is resumed only on equal
    data.
    """
    digest = hashlib.sha256()
    for texts in (pairs.all_items, pairs.queries, pairs.item_ids.tolist()):
        for text in texts:
            content = str(text).encode("utf-8", "surrogatepass")
            digest.update(len(content).to_bytes(8, "little") + content)
    for rows in (pairs.relevant, pairs.negatives):
        digest.update(rows.offsets.tobytes() + rows.values.tobytes())
    return digest.hexdigest()
