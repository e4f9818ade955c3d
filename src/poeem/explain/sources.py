"""Workloads from files: a run with its own queries, or a bundle or faiss file with vectors beside it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from poeem.bundle import Bundle, open_bundle
from poeem.data.ragged import Ragged
from poeem.data.relevance import read_pairs
from poeem.data.vectors import read_vectors
from poeem.engines.faiss.build import stored_nprobe
from poeem.explain.faiss_source import ServedFile, read_served
from poeem.explain.query_set import QuerySet
from poeem.explain.workload import MORE_QUERIES, Twin, Workload, renumbered, rows_of

if TYPE_CHECKING:
    from poeem.training.load import Run


def read_case(
    source: Any = None,
    *,
    vectors: Any = None,
    queries: Any = None,
    relevance: Any = None,
    faiss: str | Path | None = None,
    column: str | None = None,
    nprobe: int | None = None,
) -> Workload:
    """The case of a run, of a bundle or of a faiss file.

    Args:
        source: folder of a run, which brings its own items, queries and labels; or a bundle or its folder; None with
            ``faiss`` alone.
        vectors: the items' vectors before the index, ``(n, dim)``, or their file, in the order of ``bundle.ids`` (of a
            faiss file: of the ids); a Parquet file with a column ``id`` may have another order.
        queries: ``(nq, dim)`` or their file; None: items play queries.
        relevance: pairs ``(p, 2)`` of query row and row of ``vectors``, or their file.
        faiss: a faiss file, explained in place of the source's own codes, and checked to be the source's.
        column: of the vectors in Parquet files.
        nprobe: lists visited a query; default the index's.
    Raises:
        FileNotFoundError: there is nothing at ``source`` or ``faiss``.
        ValueError: vectors are missing, or what is given does not fit together.
    """
    if source is None and faiss is None:
        raise ValueError("name what to explain: the folder of a run or bundle, or a faiss file")
    if vectors is None and (queries is not None or relevance is not None):
        raise ValueError("queries and relevance go with the items' vectors; give vectors (--items FILE) too")
    if vectors is None and source is not None and _is_run(source):
        return _of_run(Path(source), faiss, nprobe)
    bundle = None if source is None else source if isinstance(source, Bundle) else open_bundle(source)
    served = None if faiss is None else read_served(faiss, bundle)
    held = bundle if served is None else served.bundle
    assert held is not None
    if vectors is None:
        raise ValueError(
            f"vectors (=None): {str(faiss or held.path)!r} holds codes, no float vectors; give those of its items in "
            "the order of its ids (--items FILE.npy), and queries (--queries FILE.npy)"
        )
    items, rows = _items(vectors, held, column)
    held = held if rows is None else rows_of(held, rows)
    if items.shape != (len(held), held.dim):
        raise ValueError(
            f"vectors (of shape {items.shape}) must be ({len(held)}, {held.dim}): one for each item of "
            f"{str(faiss or held.path)!r}, as wide as its index"
        )
    asked = _asked(items, queries, relevance, column, held.dim)
    case = Workload(
        name=str(faiss or (held.path if isinstance(source, Bundle) else source)),
        bundle=held,
        items=items,
        asked=asked,
        nprobe=_nprobe(held, served, nprobe),
        notes=[] if queries is not None else ["no queries given: items play queries, none finds itself"],
    )
    return case if served is None else dataclasses.replace(case, notes=[*case.notes, *served.notes(case)])


def _is_run(source: Any) -> bool:
    from poeem.training.run_folder import RunFolder

    return not isinstance(source, Bundle) and RunFolder(source).has_model


def _of_run(folder: Path, faiss: str | Path | None, nprobe: int | None) -> Workload:
    from poeem.training.load import load_run

    run = load_run(folder)
    served = None if faiss is None else read_served(faiss, run.bundle)
    if served is not None:
        run = dataclasses.replace(run, bundle=served.bundle)
    split = run.split
    if not len(split.test):
        raise ValueError(
            f"{str(folder)!r} has no test queries: no user has three events; give --items and --queries instead"
        )
    numbers = np.flatnonzero(run.rows >= 0)
    notes = []
    twin, recalls = _twin_and_recalls(run, numbers)
    if len(numbers) < len(run.bundle):
        notes.append(
            f"{len(run.bundle) - len(numbers):,} items came after the training and are left out: the run has no "
            "vectors of them; give --items and --queries to have them in"
        )
    place = np.full(len(run.rows), -1, dtype=np.int64)
    place[numbers] = np.arange(len(numbers))
    relevant, seen = renumbered(split.test.relevant, place), renumbered(split.test.history, place)
    trained = run.split.train
    users = np.flatnonzero(trained.lengths > 0)
    users = users[np.random.default_rng(0).permutation(len(users))[:MORE_QUERIES]]
    case = Workload(
        name=str(faiss or folder),
        bundle=rows_of(run.bundle, run.rows[numbers]),
        items=run.items(numbers),
        asked=QuerySet(run.queries(split.test.history), relevant, seen),
        nprobe=_nprobe(run.bundle, served, nprobe),
        available=split.seen_in_training[numbers],
        # What users had asked before: other vectors than those that are measured with.
        more_queries=run.queries(trained.take(users)),
        notes=notes,
        twin=twin,
        recalls=recalls,
    )
    return case if served is None else dataclasses.replace(case, notes=[*notes, *served.notes(case)])


def _twin_and_recalls(run: Run, numbers: np.ndarray) -> tuple[Twin | None, dict[str, float]]:
    """Vectors of the run's float twin, if it is stored, and recall@100 of index and baselines from ``metrics.json``."""
    from poeem.training.compare import float_twin
    from poeem.training.devices import make_accelerator
    from poeem.training.tower_vectors import item_vectors, query_vectors

    twin, recalls = None, {}
    if run.folder.has_float:
        model = float_twin(run, make_accelerator("cpu"), show=False)[0]
        twin = Twin(item_vectors(model, numbers), query_vectors(model, run.split.test.history))
    if run.folder.metrics.is_file():
        metrics = json.loads(run.folder.metrics.read_text(encoding="utf-8"))
        if metrics["baselines"]:
            blocks = {"index": metrics["index"], **metrics["baselines"]}
            recalls = {name: block["recall@100"] for name, block in blocks.items()}
    return twin, recalls


def _nprobe(bundle: Bundle, served: ServedFile | None, nprobe: int | None) -> int:
    if nprobe is not None and not bundle.spec.nlist:
        raise ValueError(f"nprobe (={nprobe}) goes with inverted lists, {str(bundle.spec)!r} has none; leave it out")
    return stored_nprobe(bundle, served.nprobe if nprobe is None and served is not None else nprobe)


def _items(vectors: Any, bundle: Bundle, column: str | None) -> tuple[Any, np.ndarray | None]:
    """The vectors, and the row of the bundle of each where a file says so."""
    if not isinstance(vectors, str | Path):
        return _checked_array("vectors", vectors), None
    found = read_vectors(vectors, column=column, dim=bundle.dim)
    if Path(vectors).suffix == ".npy":
        return found, None
    from poeem.training.encode import ids_beside

    ids = ids_beside(Path(vectors), len(found))
    if isinstance(ids, np.ndarray):
        return found, None
    try:
        rows = bundle.row_of(np.array(ids.to_pylist(), dtype=object if bundle.string_ids else None))
    except ValueError as error:
        raise ValueError(f"{vectors}: column 'id': {error}") from None
    if len(rows) != len(bundle):
        raise ValueError(
            f"{vectors}: has {len(rows):,} of the {len(bundle):,} items; explain needs the vectors of all of them"
        )
    return found, rows


def _asked(items: Any, queries: Any, relevance: Any, column: str | None, dim: int) -> QuerySet:
    if queries is None:
        if relevance is not None:
            raise ValueError("relevance needs the queries that it speaks of; give queries, or leave it out")
        return QuerySet(items, own=np.arange(len(items)))
    if isinstance(queries, str | Path):
        queries = read_vectors(queries, column=column, dim=dim)
    queries = _checked_array("queries", queries)
    if queries.shape[1] != dim or not len(queries):
        raise ValueError(f"queries (of shape {queries.shape}) must be (nq, {dim}), as wide as the index")
    return QuerySet(queries, relevant=_relevant(relevance, len(queries), len(items)))


def _relevant(relevance: Any, n_queries: int, n_items: int) -> Ragged | None:
    if relevance is None:
        return None
    from poeem.training.frozen.inputs import checked_relevance

    pairs = read_pairs(relevance) if isinstance(relevance, str | Path) else relevance
    return checked_relevance(pairs, n_queries, n_items)


def _checked_array(name: str, vectors: Any) -> np.ndarray:
    vectors = np.asarray(vectors)
    if vectors.ndim != 2 or vectors.dtype.kind != "f":
        raise ValueError(f"{name} must be floats of shape (n, dim), not {vectors.dtype} of shape {vectors.shape}")
    return vectors
