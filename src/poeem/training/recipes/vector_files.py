"""``poeem fit``: files in, a folder with bundle and figures out."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import torch

from poeem.bundle.whole_file import write_text
from poeem.data.relevance import read_pairs
from poeem.data.vectors import read_vectors
from poeem.engines.faiss.read import FaissContents
from poeem.training.encode import ids_beside
from poeem.training.environment import environment
from poeem.training.recipes.vectors import fit_vectors
from poeem.training.run_folder import RunFolder


def fit_files(
    items: Path,
    out: Path,
    *,
    queries: Path | None = None,
    column: str | None = None,
    relevance: Path | None = None,
    start: FaissContents | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Fit an index to vectors in files and write ``out/bundle`` and ``out/metrics.json``.

    Args:
        items: ``.npy`` or Parquet vectors; ids are the column ``id`` of a Parquet file, those of ``start``, or else row
            numbers.
        out: a new or empty folder.
        queries: ``.npy`` or Parquet vectors.
        column: of the vectors in Parquet files.
        relevance: Parquet or CSV with columns ``query`` and ``item``, row numbers from 0, and maybe ``weight``; rows of
            weight 0 are left out.
        start: an index in service whose rows are ``items``.
        options: of ``fit_vectors``.
    Returns:
        what ``metrics.json`` holds.
    Raises:
        ValueError: a file or an argument is wrong; nothing has been written then.
    """
    folder = RunFolder(out)
    folder.check_startable(resume=False)
    vectors = read_vectors(items, column=column)
    query_vectors = None if queries is None else read_vectors(queries, column=column)
    pairs = None if relevance is None else read_pairs(relevance)
    ids = ids_beside(items, len(vectors)) if start is None else start.ids
    result = fit_vectors(vectors, query_vectors, relevance=pairs, start=start, **options)
    out.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    bundle = result.bundle(ids, vectors, folder.bundle)
    timings = result.timings | {"bundle_seconds": time.perf_counter() - began}
    metrics = {
        "dataset": items.name,
        "spec": str(bundle.spec),
        "metric": bundle.metric,
        "bytes_per_vector": bundle.spec.bytes_per_vector,
        "judged_by": "held-out labels" if "recall@100" in result.exact else "held-out queries' nearest neighbours",
        "float": result.exact,
        "warm_start": result.result.warm_start,
        "index": result.result.best,
        "kept": result.result.kept,
        "baselines": {},
        "notes": result.notes,
        "timings": timings,
        "environment": environment(torch.device("cpu")),
    }
    write_text(folder.metrics, json.dumps(metrics, indent=2, allow_nan=False))
    return metrics
