"""Methods that learn from training queries: our recipes, and those of the papers, in one trainer.

The papers train the query encoder; with frozen embeddings a matrix on the queries' side stands in its place, the same
for all. Everything else is as each paper has it: what is minimised, and whether codes are kept or assigned anew.
"""

from __future__ import annotations

import dataclasses
import tempfile
import time
from pathlib import Path
from typing import Any, cast

import numpy as np

from poeem.baselines import build_baseline
from poeem.baselines.baseline import Baseline
from poeem.bench.bundle_method import baseline_of_bundle
from poeem.bench.method import Method
from poeem.bench.problem import Problem
from poeem.evaluation.scorers import prepared
from poeem.spec import IndexSpec
from poeem.training.methods import method_settings


def fitted(
    name: str,
    structure: str,
    *,
    labels: bool = False,
    queries: bool = True,
    from_opq: bool = False,
    fastscan: bool = False,
    **options: Any,
) -> Method:
    """A method by ``fit_vectors``; where there are few training queries or none, items play queries.

    Args:
        name: of the method.
        structure: factory string with ``{M}`` for the bytes, ``{M2}`` for twice as many.
        labels: whether it learns from labels.
        queries: whether it learns from the training queries.
        from_opq: whether it starts from faiss's own flat index of the structure; the seconds of that count too.
        fastscan: whether the index that is timed has the layout that is scanned by SIMD, for codes of 4 bits.
        options: of ``fit_vectors``.
    """

    def build(problem: Problem, *, n_bytes: int, nlist: int, metric: str, seed: int) -> Baseline:
        *rotation, quantizer = structure.format(M=n_bytes, M2=2 * n_bytes).split(",")
        spec = ",".join([*rotation, *([f"IVF{nlist}"] if nlist else []), quantizer])
        known = problem if queries else dataclasses.replace(problem, train_queries=None, train_relevant=None)
        return _fit(name, known, spec, metric, seed, labels, from_opq, fastscan, options)

    divides = 0 if structure.startswith("RQ") else 2 if "{M2}" in structure else 1
    return Method(name, build, divides=divides, needs_labels=labels, ours=name.startswith("poeem"))


def _fit(
    name: str,
    problem: Problem,
    spec: str,
    metric: str,
    seed: int,
    labels: bool,
    from_opq: bool,
    fastscan: bool,
    options: dict[str, Any],
) -> Baseline:
    from poeem.engines.faiss import from_faiss
    from poeem.training.recipes.vectors import fit_vectors

    items, queries = np.ascontiguousarray(problem.items, dtype=np.float32), problem.train_queries
    began, served = time.perf_counter(), None
    if from_opq:
        if metric == "cosine":
            # An index of faiss on unit vectors, by inner product.
            items = prepared(items, metric, "items")
            queries = None if queries is None else prepared(queries, metric, "train_queries")
        parsed = IndexSpec.parse(spec)
        stock = build_baseline("opq", items, M=parsed.M, nbits=parsed.nbits, metric=metric, seed=seed)
        served = from_faiss(cast(Any, stock.index))
    pairs = None
    if labels and problem.train_relevant is not None:
        pairs = np.stack([problem.train_relevant.row_of_value, problem.train_relevant.values], axis=1)
    found = fit_vectors(
        items,
        queries,
        spec=spec,
        metric=metric,
        relevance=pairs,
        initial_index=served,
        seed=seed,
        device="cpu",
        show=False,
        **options,
    )
    with tempfile.TemporaryDirectory() as folder:
        bundle = found.bundle(np.arange(len(items)), items, Path(folder) / "bundle")
        seconds = time.perf_counter() - began
        return baseline_of_bundle(name, bundle, seconds, fastscan=fastscan)


def _of_paper(name: str) -> dict[str, Any]:
    settings = method_settings(name, "fit")
    return {"structure": "OPQ{M},PQ{M}", "labels": settings.get("label_weight", 0.0) > 0, **settings}


# Arguments of `fitted`, by name.
RECIPES: dict[str, dict[str, Any]] = {
    # Ours: label-free, and with labels in addition to the distillation.
    "poeem-rq": {"structure": "RQ{M}x8"},
    "poeem-pq": {"structure": "OPQ{M},PQ{M}"},
    "poeem-rq-labels": {"structure": "RQ{M}x8", "labels": True},
    # What ours lose without the query adapter, and without queries: items then play them.
    "poeem-rq-no-adapter": {"structure": "RQ{M}x8", "adapter": False},
    "poeem-rq-no-queries": {"structure": "RQ{M}x8", "queries": False},
    "poeem-pq-labels": {"structure": "OPQ{M},PQ{M}", "labels": True},
    # Codes of 4 bits, twice as many, in the layout that SIMD scans: the fastest.
    "poeem-fastscan": {"structure": "OPQ{M2},PQ{M2}x4", "fastscan": True},
    "poeem-fastscan-labels": {"structure": "OPQ{M2},PQ{M2}x4", "fastscan": True, "labels": True},
    # faiss's own OPQ index, unchanged, with our query adapter.
    "poeem-adapter": {"structure": "OPQ{M},PQ{M}", "from_opq": True, "train_codebooks": False},
    # RepCONC without its last part, JPQ from these codes; MoPQ without negatives of other devices.
    **{name: _of_paper(name) for name in ("poeem-2021", "jpq", "repconc", "mopq", "distill-vq")},
}
FITTED = tuple(fitted(name, **arguments) for name, arguments in RECIPES.items())
