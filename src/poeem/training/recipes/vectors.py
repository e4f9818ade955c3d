"""The recipe for frozen embeddings: fits codebooks and a query adapter, without retraining the encoder."""

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
from poeem.training.frozen.encode_blocks import encode_all
from poeem.training.frozen.fit import Catalogue, FrozenFit, fit_frozen
from poeem.training.frozen.held_out import HeldOut
from poeem.training.frozen.inputs import checked_relevance, checked_unseen, checked_vectors
from poeem.training.frozen.item_sample import sample_items
from poeem.training.frozen.memorised_labels import memorised_labels
from poeem.training.frozen.query_split import split_queries
from poeem.training.frozen.top_items import blocks, top_items
from poeem.training.options.fit import FitOptions

WARM_START_ROWS = 65_536
# Ranks over which the spread of the exact scores is measured.
SPREAD_RANKS = 50


@dataclass(frozen=True, eq=False)
class VectorsFit:
    """The result of a fit, with figures on held-out queries.

    Args:
        layer: the fitted index with its query adapter.
        codes, lists: codes and lists of all items if they are fixed; None if the layer encodes.
        result: figures and length of the training.
        exact: held-out figures of exact search.
        notes: warnings for the user, each with its consequence.
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
        """Write the index and the items' codes: the fixed ones, else those by which the layer encodes ``items``.

        Args:
            ids: ids of the items, ``(n,)``.
            items: float, ``(n, dim)``, the vectors of the fit.
            path: folder to write.
        Returns:
            the bundle, opened.
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
    unseen: Any = None,
    unseen_relevance: Any = None,
    **options: Any,
) -> EmbeddingIndex:
    """Fit an index to frozen embeddings, from queries alone or with labels (``poeem.fit``).

    Codebooks, centroids, rotation and a query adapter are trained to reproduce the rankings of exact search. The
    adapter is a matrix for queries, ``index.query_adapter``, and is stored in a bundle. Labels are an additional loss.
    If the trained index is not better on held-out queries than its warm start, the warm start is returned.

    Args:
        items: float, ``(n, dim)``; a memory-mapped array may be larger than memory.
        queries: float, ``(nq, dim)``, for instance from logs; None: items serve as queries.
        spec: the structure, such as ``"RQ8"`` or ``"OPQ16,PQ16"``.
        metric: ``"ip"``, ``"l2"`` or ``"cosine"``.
        relevance: integer pairs ``(p, 2)`` of query row and item row; None: no labels.
        unseen: float, ``(n, dim)``: queries that the model of the vectors was not trained on, such as those of the
            latest days. They judge the fit, and do not train. None: a tenth of ``queries`` is held out.
        unseen_relevance: integer pairs of row in ``unseen`` and item row; None: no labels of these.
        options: fields of ``FitOptions`` by name.
    Returns:
        the index, in eval mode.
    Raises:
        ValueError: an argument is out of range, or the vectors cannot be used.

    >>> rng = np.random.default_rng(0)
    >>> items, queries = rng.standard_normal((600, 8)), rng.standard_normal((300, 8))
    >>> index = fit(items, queries, spec="PQ2x4", epochs=1, show=False)
    >>> index.ready, index.spec.bytes_per_vector
    (True, 1)
    """
    judges = {"unseen": unseen, "unseen_relevance": unseen_relevance}
    return fit_vectors(items, queries, spec=spec, metric=metric, relevance=relevance, **judges, **options).layer


def fit_vectors(
    items: Any,
    queries: Any = None,
    *,
    spec: str | IndexSpec | None = "RQ8",
    metric: str = "ip",
    relevance: Any = None,
    unseen: Any = None,
    unseen_relevance: Any = None,
    initial_index: FaissContents | None = None,
    **options: Any,
) -> VectorsFit:
    """Fit an index as :func:`fit` does, and return the figures of the fit too.

    Args:
        items, queries, spec, metric, relevance, unseen, unseen_relevance: see ``fit``; ``initial_index`` replaces spec
            and metric.
        initial_index: an index in service, from ``poeem.from_faiss``. Its rows are ``items``, in the same order.
        options: fields of ``FitOptions`` by name.
    Returns:
        the index, its fixed codes, and the figures.
    Raises:
        ValueError: see ``fit``.
    """
    check_names(options, [field.name for field in dataclasses.fields(FitOptions)])
    given = FitOptions(**options)
    check_count("seed", given.seed)
    _check_something_learns(given, labelled=relevance is not None)
    dim = np.shape(items)[-1] if np.ndim(items) == 2 else 0
    layer = _layer(initial_index, spec, metric, dim, seed=given.seed, assignment=cast(Assignment, given.assignment))
    metric = layer.metric
    codes = given.codes or ("fixed" if layer.spec.kind == "RQ" else "reassigned")
    if given.assignment == "balanced" and codes == "fixed":
        raise ValueError("assignment (='balanced') is how training assigns new codes; give codes='reassigned' too")
    like = "the items" if initial_index is None else "the initial index"
    vectors = checked_vectors("items", items, metric, layer.dim, like)
    _check_rows(layer, len(vectors), initial_index)
    labels = None
    if queries is not None:
        queries = checked_vectors("queries", queries, metric, layer.dim, like)
    if relevance is not None:
        if queries is None:
            raise ValueError("relevance needs the queries whose rows it names; give both or leave both out")
        labels = checked_relevance(relevance, len(queries), len(vectors))
    judges = checked_unseen(unseen, unseen_relevance, metric, layer.dim, len(vectors))
    accelerator = make_accelerator(given.device)
    timings: dict[str, float] = {}
    rng = np.random.default_rng(given.seed)

    started = time.perf_counter()
    if initial_index is None:
        rows = np.sort(rng.permutation(len(vectors))[:WARM_START_ROWS])
        layer.warm_start(torch.from_numpy(np.asarray(vectors[rows], dtype=np.float32)))
    layer.eval()
    fixed_codes = fixed_lists = None
    if codes == "fixed" or not given.train_codebooks:
        coded = None if initial_index is None else (initial_index.codes, initial_index.lists)
        fixed_codes, fixed_lists = coded or encode_all(layer, vectors)
        layer.keep_encoding()
    timings["warm_start_seconds"] = time.perf_counter() - started

    started = time.perf_counter()
    split = split_queries(
        queries, labels, vectors, given.max_queries, rng, last=given.held_out == "last", unseen=judges
    )
    sample = sample_items(vectors, given.max_items, [split.train_labels, split.held_out_labels], rng)
    # Cosine scores are inner products of unit vectors.
    unit_metric = "l2" if metric == "l2" else "ip"
    scores, best = top_items(split.train, blocks(sample.items), min(given.top, len(sample.items)), metric=unit_metric)
    held_out = _held_out(split.held_out, sample.labels(split.held_out_labels), sample.items, unit_metric)
    measured, catalogue = held_out, None
    if sample.rows is not None:
        measured = _held_out(split.held_out, split.held_out_labels, vectors, unit_metric)
        catalogue = Catalogue(measured, vectors, fixed_codes, fixed_lists)
    exact = measured.figures(split.held_out, blocks(vectors), unit_metric)
    timings["teacher_seconds"] = time.perf_counter() - started

    layer.to(accelerator.device)
    data = FrozenData(
        sample.items,
        split.train,
        best,
        sample.labels(split.train_labels),
        sample.part(fixed_codes),
        sample.part(fixed_lists),
        spread=float((scores[:, 0] - scores[:, :SPREAD_RANKS][:, -1]).mean()),
    )
    result = fit_frozen(layer, data, given, held_out=held_out, accelerator=accelerator, catalogue=catalogue)
    layer.cpu()
    if result.adapter is not None:
        layer.set_query_adapter(torch.from_numpy(result.adapter))
    timings["train_seconds"] = result.seconds
    notes = list(split.notes)
    if unseen is not None:
        warning = memorised_labels(split.train, split.train_labels, measured, vectors, unit_metric)
        notes += [] if warning is None else [warning]
    if sample.rows is not None:
        notes.append(
            f"{len(sample.rows):,} of the {len(vectors):,} items, a random sample, gave the training (max_items); all "
            "are encoded, and the figures are of all"
        )
    if not result.kept:
        notes.append("training was not better than the warm start on held-out queries: the index is the warm start")
    return VectorsFit(layer, fixed_codes, fixed_lists, result, exact, notes, timings)


def _held_out(queries: np.ndarray, labels: Ragged | None, items: Any, metric: str) -> HeldOut:
    _, neighbours = top_items(queries, blocks(items), min(NEIGHBOURS, len(items)), metric=metric)
    return HeldOut(queries, neighbours, labels)


def _layer(
    initial_index: FaissContents | None, spec: str | IndexSpec | None, metric: str, dim: int, **options: Any
) -> EmbeddingIndex:
    if initial_index is not None:
        return index_from(initial_index, **options)
    check_metric(metric)
    if spec is None:
        raise ValueError("spec (=None) must be a structure, such as 'RQ8'; only with an initial index it may be None")
    if not dim:
        raise ValueError("items must be numbers of shape (n, dim)")
    return EmbeddingIndex(dim, spec, metric=cast(Metric, metric), **options)


def _check_something_learns(options: FitOptions, *, labelled: bool) -> None:
    ranked = options.distill_weight > 0 or (options.label_weight > 0 and labelled)
    reconstructed = options.train_codebooks and options.distortion_weight > 0
    if (ranked and (options.adapter or options.ranked_codebooks)) or reconstructed:
        return
    label_note = "" if labelled else " (without effect: there is no relevance)"
    raise ValueError(
        f"nothing would be trained. distill_weight (={options.distill_weight}) and label_weight "
        f"(={options.label_weight}){label_note} train codebooks if ranked_codebooks (={options.ranked_codebooks}), and "
        f"the query matrix if adapter (={options.adapter}). distortion_weight (={options.distortion_weight}) trains "
        "codebooks. Raise a weight, or turn one of these on"
    )


def _check_rows(layer: EmbeddingIndex, rows: int, initial_index: FaissContents | None) -> None:
    if initial_index is not None and len(initial_index) != rows:
        raise ValueError(
            f"items (={rows} rows) must be the vectors of the initial index (={len(initial_index)} rows), in its order"
        )
    if rows < layer.min_rows:
        raise ValueError(
            f"items (={rows} rows) are fewer than the codewords or lists of {str(layer.spec)!r} (={layer.min_rows}); "
            "choose fewer nbits or lists"
        )
