"""The recipe for frozen embeddings: an index fitted to how queries see them."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from poeem.bundle import Bundle
from poeem.data.ragged import Ragged
from poeem.engines.faiss.read import FaissContents
from poeem.evaluation.recall import NEIGHBOURS
from poeem.layers.checks import check_count
from poeem.layers.choices import Assignment
from poeem.layers.embedding_index import EmbeddingIndex
from poeem.layers.from_arrays import index_from
from poeem.layers.write import write_coded
from poeem.metric import Metric, check_metric
from poeem.option import check_names
from poeem.spec import IndexSpec
from poeem.training.devices import make_accelerator
from poeem.training.frozen.data import FrozenData
from poeem.training.frozen.encoded import encoded
from poeem.training.frozen.fit import FrozenFit, fit_frozen
from poeem.training.frozen.held_out import HeldOut
from poeem.training.frozen.inputs import checked_relevance, checked_vectors
from poeem.training.frozen.top_items import blocks, top_items
from poeem.training.options.fit import FitOptions

HELD_OUT_SHARE, MOST_HELD_OUT = 0.1, 1500
# Fewer queries than this are joined by items that play queries.
FEW_QUERIES = 4096
ITEMS_AS_QUERIES = 32_768
WARM_START_ROWS = 65_536


@dataclass(frozen=True, eq=False)
class VectorsFit:
    """A fit and what it was judged by.

    Args:
        layer: the index, ready, with its query adapter.
        codes, lists: of all items, where they were kept fixed; None where the layer encodes.
        result: what training did.
        exact: held-out figures of exact search, the ceiling of what labels can show.
        notes: sentences for people: what was missing and what it costs.
        timings: seconds by part.
    """

    layer: EmbeddingIndex
    codes: np.ndarray | None
    lists: np.ndarray | None
    result: FrozenFit
    exact: dict[str, float]
    notes: list[str]
    timings: dict[str, float]

    def bundle(self, ids: Any, items: Any, path: str | Path) -> Bundle:
        """Write the fitted index and the items' codes: those that were kept, or else new ones.

        Args:
            ids: of the items, ``(n,)``.
            items: float, ``(n, dim)``, as they were fitted.
            path: folder to write.
        """
        facts = {"source": "fit", "steps": self.result.steps, "kept": self.result.kept}
        if self.codes is None:
            return self.layer.bundle(ids, items, path, training=facts)
        return write_coded(self.layer, ids, self.codes, self.lists, path, training=facts)


def fit(
    items: Any,
    queries: Any = None,
    *,
    spec: str | IndexSpec = "RQ8",
    metric: str = "ip",
    relevance: Any = None,
    **options: Any,
) -> EmbeddingIndex:
    """A better index for embeddings that stay as they are, learnt from queries alone or with labels.

    ``poeem.fit``. The teacher is exact search with the float vectors; words, centroids, rotation and a matrix on the
    queries' side (``index.query_adapter``, which a bundle carries along) learn to rank as it does, and, with labels,
    better than it does. Held-out queries judge; what does not beat the plain index is not kept.

    Args:
        items: float, ``(n, dim)``; a memory-mapped array may be larger than memory.
        queries: float, ``(nq, dim)``, for instance from logs; None: items play queries.
        spec: the structure, such as ``"RQ8"`` or ``"OPQ16,PQ16"``.
        metric: ``"ip"``, ``"l2"`` or ``"cosine"``.
        relevance: integer pairs ``(p, 2)`` of query row and item row; None is label-free.
        options: of :func:`fit_vectors`.
    Returns:
        an index in eval mode, for ``encode``, ``bundle`` and everything after it.
    Raises:
        ValueError: an argument is out of range, or the vectors do not suit it.

    >>> rng = np.random.default_rng(0)
    >>> items, queries = rng.standard_normal((600, 8)), rng.standard_normal((300, 8))
    >>> index = fit(items, queries, spec="PQ2x4", epochs=1, show=False)
    >>> index.ready, index.spec.bytes_per_vector
    (True, 1)
    """
    return fit_vectors(items, queries, spec=spec, metric=metric, relevance=relevance, **options).layer


def fit_vectors(
    items: Any,
    queries: Any = None,
    *,
    spec: str | IndexSpec | None = "RQ8",
    metric: str = "ip",
    relevance: Any = None,
    start: FaissContents | None = None,
    **options: Any,
) -> VectorsFit:
    """As :func:`fit`, with all that is known afterwards.

    Args:
        items, queries, spec, metric, relevance: as of ``fit``; with ``start`` its spec and metric hold.
        start: an index in service, from ``poeem.from_faiss``, whose rows are ``items`` in their order.
        options: fields of ``FitOptions``, by name.
    Raises:
        ValueError: as ``fit``.
    """
    check_names(options, [field.name for field in dataclasses.fields(FitOptions)])
    given = FitOptions(**options)
    check_count("seed", given.seed)
    _check_something_learns(given, labelled=relevance is not None)
    dim = np.shape(items)[-1] if np.ndim(items) == 2 else 0
    layer = _layer(start, spec, metric, dim, seed=given.seed, assignment=cast(Assignment, given.assignment))
    metric = layer.metric
    codes = given.codes or ("fixed" if layer.spec.kind == "RQ" else "reassigned")
    if given.assignment == "balanced" and codes == "fixed":
        raise ValueError("assignment (='balanced') is how training assigns codes anew; give codes='reassigned' too")
    like = "the items" if start is None else "the index to start from"
    vectors = checked_vectors("items", items, metric, layer.dim, like)
    _check_rows(layer, len(vectors), start)
    asked = None if queries is None else checked_vectors("queries", queries, metric, layer.dim, like)
    if relevance is not None and asked is None:
        raise ValueError("relevance needs the queries that it speaks of; give queries, or leave it out")
    labels = None if relevance is None or asked is None else checked_relevance(relevance, len(asked), len(vectors))
    accelerator = make_accelerator(given.device)
    timings: dict[str, float] = {}
    rng = np.random.default_rng(given.seed)

    began = time.perf_counter()
    if start is None:
        rows = np.sort(rng.permutation(len(vectors))[:WARM_START_ROWS])
        layer.warm_start(torch.from_numpy(np.asarray(vectors[rows], dtype=np.float32)))
    layer.eval()
    fixed_codes = fixed_lists = None
    if codes == "fixed" or not given.train_codebooks:
        fixed_codes, fixed_lists = (start.codes, start.lists) if start is not None else encoded(layer, vectors)
        layer.keep_encoding()
    timings["warm_start_seconds"] = time.perf_counter() - began

    began = time.perf_counter()
    trained, judging, labels_trained, labels_judging, notes = _parts(asked, labels, vectors, given.max_queries, rng)
    measured = "l2" if metric == "l2" else "ip"
    _, best = top_items(trained, blocks(vectors), min(given.top, len(vectors)), metric=measured)
    _, neighbours = top_items(judging, blocks(vectors), min(NEIGHBOURS, len(vectors)), metric=measured)
    held_out = HeldOut(judging, neighbours, labels_judging)
    exact = held_out.figures(judging, blocks(vectors), measured)
    timings["teacher_seconds"] = time.perf_counter() - began

    layer.to(accelerator.device)
    data = FrozenData(vectors, trained, best, labels_trained, fixed_codes, fixed_lists)
    result = fit_frozen(layer, data, given, held_out=held_out, accelerator=accelerator)
    layer.cpu()
    if result.adapter is not None:
        layer.set_query_adapter(torch.from_numpy(result.adapter))
    timings["train_seconds"] = result.seconds
    if not result.kept:
        notes.append("training did not beat the warm start on held-out queries: the warm start is what you get")
    return VectorsFit(layer, fixed_codes, fixed_lists, result, exact, notes, timings)


def _layer(
    start: FaissContents | None, spec: str | IndexSpec | None, metric: str, dim: int, **options: Any
) -> EmbeddingIndex:
    if start is not None:
        return index_from(start, **options)
    check_metric(metric)
    if spec is None:
        raise ValueError("spec (=None) says the structure, such as 'RQ8'; only an index to start from brings its own")
    if not dim:
        raise ValueError("items must be numbers of shape (n, dim)")
    return EmbeddingIndex(dim, spec, metric=cast(Metric, metric), **options)


def _check_something_learns(options: FitOptions, *, labelled: bool) -> None:
    ranked = options.distill_weight > 0 or (options.label_weight > 0 and labelled)
    reconstructed = options.train_codebooks and options.distortion_weight > 0
    if (ranked and (options.adapter or options.ranked_codebooks)) or reconstructed:
        return
    labels_too = "" if labelled else " (of no use without relevance)"
    raise ValueError(
        f"nothing would be learnt: distill_weight (={options.distill_weight}), "
        f"label_weight (={options.label_weight}){labels_too} train what ranked_codebooks "
        f"(={options.ranked_codebooks}) and adapter (={options.adapter}) allow, distortion_weight "
        f"(={options.distortion_weight}) trains codebooks only; raise a weight of what is trained"
    )


def _check_rows(layer: EmbeddingIndex, rows: int, start: FaissContents | None) -> None:
    if start is not None and len(start) != rows:
        raise ValueError(
            f"items (={rows} rows) must be the vectors of the index to start from (={len(start)} rows), in its order"
        )
    if rows < layer.min_rows:
        raise ValueError(
            f"items (={rows} rows) are fewer than the words or lists of {str(layer.spec)!r} (={layer.min_rows}); "
            "choose fewer nbits or lists"
        )


def _parts(
    asked: Any, labels: Ragged | None, vectors: Any, max_queries: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, Ragged | None, Ragged | None, list[str]]:
    """Queries to learn from and to be judged by, their labels, and what to say about them."""
    notes: list[str] = []
    count = 0 if asked is None else len(asked)
    rows = rng.permutation(count)[:max_queries]
    held = min(MOST_HELD_OUT, int(len(rows) * HELD_OUT_SHARE))
    extra = np.empty((0, vectors.shape[1]), np.float32)
    if count < FEW_QUERIES:
        played = np.sort(rng.permutation(len(vectors))[:ITEMS_AS_QUERIES])
        extra = np.asarray(vectors[played], dtype=np.float32)
        notes.append(
            f"{count} queries are few: {len(played)} items play queries too. The index then learns how items see one "
            "another; with queries from logs the recall for queries is higher, see docs/benchmarks/frozen.md"
        )
    if asked is None or held < 50:
        # Nothing to judge by but the items themselves.
        if labels is not None:
            notes.append(
                f"{count} queries are too few to hold out one in ten: nearest neighbours of items judge, not labels"
            )
        held, cut = 0, max(1, min(MOST_HELD_OUT, int(len(extra) * HELD_OUT_SHARE)))
        order = rng.permutation(len(extra))
        judging, extra = extra[order[:cut]], extra[order[cut:]]
        labels_judging = None
    else:
        judging = np.asarray(asked[rows[:held]], dtype=np.float32)
        labels_judging = None if labels is None else labels.take(rows[:held])
    learnt = rows[held:]
    own = extra[:0] if asked is None else np.asarray(asked[learnt], dtype=np.float32)
    trained = np.concatenate([own, extra])
    labels_trained = None
    if labels is not None:
        taken = labels.take(learnt)
        lengths = np.concatenate([taken.lengths, np.zeros(len(extra), np.int64)])
        labels_trained = Ragged.from_lengths(lengths, taken.values)
    if labels_judging is not None and not labels_judging.lengths.any():
        labels_judging = None
    return trained, judging, labels_trained, labels_judging, notes
