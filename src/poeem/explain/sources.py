"""Read a workload from a run with its own data, or from a bundle or faiss file with vectors."""

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
from poeem.evaluation.query_set import QuerySet
from poeem.explain.faiss_source import FaissSource, read_faiss_source
from poeem.explain.workload import MORE_QUERIES, Twin, Workload, renumber, select_rows

if TYPE_CHECKING:
    from poeem.training.interactions.run import InteractionRun
    from poeem.training.recipes.recipe import RunWithQueries


def read_workload(
    source: Any = None,
    *,
    vectors: Any = None,
    queries: Any = None,
    relevance: Any = None,
    faiss: str | Path | None = None,
    column: str | None = None,
    nprobe: int | None = None,
    check: bool = True,
) -> Workload:
    """Read the index to explain, its item vectors and queries from a run, a bundle or a faiss file.

    Args:
        source: folder of a run, which has its own items, queries and labels; or a bundle or its folder; None if only
            ``faiss`` is given.
        vectors: item vectors, the input of the index, ``(n, dim)``, or their file, in the order of ``bundle.ids`` or of
            the ids of the faiss file. A Parquet file with a column ``id`` may have another order.
        queries: ``(nq, dim)`` or their file; None: items are used as queries.
        relevance: pairs ``(p, 2)`` of query row and row of ``vectors``, or their file.
        faiss: a faiss file. It is checked against the source and explained in place of the source's codes.
        column: column of the vectors in Parquet files.
        nprobe: lists visited per query; None takes the index's.
        check: whether the faiss file is compared with the checksum in its report.
    Raises:
        FileNotFoundError: there is nothing at ``source`` or ``faiss``.
        ValueError: vectors are missing, or the inputs do not fit together.
    """
    if source is None and faiss is None:
        raise ValueError("name what to explain: the folder of a run or bundle, or a faiss file")
    if vectors is None and (queries is not None or relevance is not None):
        raise ValueError("queries and relevance need the item vectors; give vectors (--items FILE) too")
    if vectors is None and source is not None and _is_run(source):
        return _run_workload(Path(source), faiss, nprobe, check)
    origin = None if source is None else source if isinstance(source, Bundle) else open_bundle(source)
    file = None if faiss is None else read_faiss_source(faiss, origin, check=check)
    bundle = origin if file is None else file.bundle
    assert bundle is not None
    if vectors is None:
        raise ValueError(
            f"vectors (=None): {str(faiss or bundle.path)!r} holds codes, no float vectors; give those of its items in "
            "the order of its ids (--items FILE.npy), and queries (--queries FILE.npy)"
        )
    items, rows = _items(vectors, bundle, column)
    bundle = bundle if rows is None else select_rows(bundle, rows)
    if items.shape != (len(bundle), bundle.dim):
        raise ValueError(
            f"vectors (of shape {items.shape}) must be ({len(bundle)}, {bundle.dim}): one for each item of "
            f"{str(faiss or bundle.path)!r}, as wide as its index"
        )
    workload = Workload(
        name=str(faiss or (bundle.path if isinstance(source, Bundle) else source)),
        bundle=bundle,
        items=items,
        queries=_query_set(items, queries, relevance, column, bundle.dim),
        nprobe=_nprobe(bundle, file, nprobe),
        notes=[] if queries is not None else ["no queries given: items are used as queries, and no item finds itself"],
    )
    return _with_file_notes(workload, file)


def _with_file_notes(workload: Workload, file: FaissSource | None) -> Workload:
    if file is None:
        return workload
    return dataclasses.replace(workload, notes=[*workload.notes, *file.notes(workload)])


def _is_run(source: Any) -> bool:
    from poeem.training.run_folder import RunFolder

    return not isinstance(source, Bundle) and RunFolder(source).has_model


def _run_workload(folder: Path, faiss: str | Path | None, nprobe: int | None, check: bool) -> Workload:
    from poeem.training.interactions.run import InteractionRun
    from poeem.training.load import load_run

    run = load_run(folder)
    file = None if faiss is None else read_faiss_source(faiss, run.bundle, check=check)
    if not isinstance(run, InteractionRun):
        return _with_file_notes(_workload_of(run, faiss, file, nprobe), file)
    if file is not None:
        run = dataclasses.replace(run, bundle=file.bundle)
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
            f"{len(run.bundle) - len(numbers):,} items were added after the training and are left out: the run has no "
            "vectors of them; give --items and --queries to include them"
        )
    new_row = np.full(len(run.rows), -1, dtype=np.int64)
    new_row[numbers] = np.arange(len(numbers))
    relevant, seen = renumber(split.test.relevant, new_row), renumber(split.test.history, new_row)
    trained = run.split.train
    users = np.flatnonzero(trained.lengths > 0)
    users = users[np.random.default_rng(0).permutation(len(users))[:MORE_QUERIES]]
    workload = Workload(
        name=str(faiss or folder),
        bundle=select_rows(run.bundle, run.rows[numbers]),
        items=run.items(numbers),
        queries=QuerySet(run.queries(split.test.history), relevant, seen),
        nprobe=_nprobe(run.bundle, file, nprobe),
        available=split.seen_in_training[numbers],
        # Histories before the test histories: different vectors from those that measure.
        more_queries=run.queries(trained.take(users)),
        notes=notes,
        twin=twin,
        recalls=recalls,
    )
    return _with_file_notes(workload, file)


def _workload_of(
    run: RunWithQueries, faiss: str | Path | None, file: FaissSource | None, nprobe: int | None
) -> Workload:
    """The workload of a run whose recipe has no histories."""
    bundle = run.bundle if file is None else file.bundle
    return Workload(
        name=str(faiss or run.folder.path),
        bundle=bundle,
        items=run.item_vectors(),
        queries=run.query_set(),
        nprobe=_nprobe(bundle, file, nprobe),
    )


def _twin_and_recalls(run: InteractionRun, numbers: np.ndarray) -> tuple[Twin | None, dict[str, float]]:
    """Vectors by the run's float twin if it is stored, and recall@100 of index and baselines from ``metrics.json``."""
    from poeem.training.compare import float_twin
    from poeem.training.devices import make_accelerator
    from poeem.training.tower_vectors import item_vectors, query_vectors

    twin, recalls = None, {}
    if run.folder.has_float:
        model = float_twin(run, make_accelerator("cpu"), show=False)[0]
        twin = Twin(item_vectors(model, numbers), query_vectors(model, run.split.test.history))
    if run.folder.metrics.is_file():
        recalls = _stored_recalls(run.folder.metrics)
    return twin, recalls


def _stored_recalls(file: Path) -> dict[str, float]:
    """Return recall@100 of the index and of the baselines from ``metrics.json``; empty without baselines.

    Raises:
        ValueError: the file is damaged.
    """
    try:
        metrics = json.loads(file.read_text(encoding="utf-8"))
        if metrics["baselines"] == {}:
            return {}
        blocks = {"index": metrics["index"], **metrics["baselines"]}
        recalls = {name: float(block["recall@100"]) for name, block in blocks.items()}
        if not all(0 <= recall <= 1 for recall in recalls.values()):
            raise ValueError("a recall is not from 0 to 1")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise ValueError(f"{str(file)!r} cannot be read ({error}); write it again with poeem evaluate") from None
    return recalls


def _nprobe(bundle: Bundle, file: FaissSource | None, nprobe: int | None) -> int:
    if nprobe is not None and not bundle.spec.nlist:
        raise ValueError(f"nprobe (={nprobe}) needs inverted lists, and {str(bundle.spec)!r} has none; leave it out")
    return stored_nprobe(bundle, file.nprobe if nprobe is None and file is not None else nprobe)


def _items(vectors: Any, bundle: Bundle, column: str | None) -> tuple[Any, np.ndarray | None]:
    """The vectors, and the bundle row of each if their file has ids."""
    if not isinstance(vectors, str | Path):
        return _checked_array("vectors", vectors), None
    items = read_vectors(vectors, column=column, dim=bundle.dim)
    if Path(vectors).suffix == ".npy":
        return items, None
    from poeem.training.encode import ids_beside

    ids = ids_beside(Path(vectors), len(items))
    if isinstance(ids, np.ndarray):
        return items, None
    try:
        rows = bundle.row_of(np.array(ids.to_pylist(), dtype=object if bundle.string_ids else None))
    except ValueError as error:
        raise ValueError(f"{vectors}: column 'id': {error}") from None
    if len(rows) != len(bundle):
        raise ValueError(
            f"{vectors}: has {len(rows):,} of the {len(bundle):,} items; explain needs the vectors of all items"
        )
    return items, rows


def _query_set(items: Any, queries: Any, relevance: Any, column: str | None, dim: int) -> QuerySet:
    if queries is None:
        if relevance is not None:
            raise ValueError("relevance needs queries; give queries, or leave relevance out")
        return QuerySet(items, self_rows=np.arange(len(items)))
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
