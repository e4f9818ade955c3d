"""The recipe for frozen embeddings in files (``poeem fit``): reads files, writes a folder with bundle and figures."""

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
    unseen: Path | None = None,
    unseen_relevance: Path | None = None,
    initial_index: FaissContents | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Fit an index to vectors in files and write ``out/bundle`` and ``out/metrics.json``.

    Args:
        items: ``.npy`` or Parquet vectors. Ids are those of ``initial_index``, else the column ``id`` of a Parquet
            file, else row numbers.
        out: a new or empty folder.
        queries: ``.npy`` or Parquet vectors.
        column: column of the vectors in Parquet files.
        relevance: Parquet or CSV with columns ``query`` and ``item``, row numbers from 0, and optionally ``weight``;
            rows of weight 0 are left out.
        unseen, unseen_relevance: queries and labels that judge the fit, in the same formats.
        initial_index: an index in service whose rows are ``items``.
        options: see ``fit_vectors``.
    Returns:
        the content of ``metrics.json``.
    Raises:
        ValueError: a file or an argument is wrong; nothing is written then.
    """
    folder = RunFolder(out)
    folder.check_startable(resume=False)
    vectors = read_vectors(items, column=column)
    query_vectors = None if queries is None else read_vectors(queries, column=column)
    pairs = None if relevance is None else read_pairs(relevance)
    judges = {
        "unseen": None if unseen is None else read_vectors(unseen, column=column),
        "unseen_relevance": None if unseen_relevance is None else read_pairs(unseen_relevance),
    }
    ids = ids_beside(items, len(vectors)) if initial_index is None else initial_index.ids
    result = fit_vectors(vectors, query_vectors, relevance=pairs, initial_index=initial_index, **judges, **options)
    with folder.unfinished():
        started = time.perf_counter()
        bundle = result.bundle(ids, vectors, folder.bundle)
        timings = result.timings | {"bundle_seconds": time.perf_counter() - started}
        metrics = {
            "dataset": items.name,
            "spec": str(bundle.spec),
            "metric": bundle.metric,
            "bytes_per_vector": bundle.spec.bytes_per_vector,
            "judged_by": _judges(unseen is not None, labelled="recall@100" in result.exact),
            "float": result.exact,
            "warm_start": result.result.warm_start,
            "index": result.result.best,
            "kept": result.result.kept,
            "history": result.result.rows,
            "baselines": {},
            "notes": result.notes,
            "timings": timings,
            "environment": environment(torch.device("cpu")),
        }
        write_text(folder.metrics, json.dumps(metrics, indent=2, allow_nan=False))
    return metrics


def _judges(unseen: bool, *, labelled: bool) -> str:
    which = "unseen" if unseen else "held-out"
    return f"{which} labels" if labelled else f"{which} queries' nearest neighbours"
