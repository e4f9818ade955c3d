"""Methods that learn from training queries: our recipes, and losses of papers in the same training loop.

The papers train the query encoder. With fixed embeddings, all methods train a query adapter instead. Each paper's
method has its loss, and fixes or reassigns codes as the paper does.
"""

from __future__ import annotations

import dataclasses
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from poeem.baselines import build_baseline
from poeem.baselines.baseline import Baseline
from poeem.bench.bundle_method import bundle_baseline
from poeem.bench.method import Method
from poeem.bench.problem import Problem
from poeem.evaluation.scorers import prepared
from poeem.spec import IndexSpec
from poeem.training.methods import method_settings


@dataclass(frozen=True)
class FitRecipe:
    """Arguments of ``fit_vectors`` for a method. If training queries are few or missing, items are used as queries.

    Args:
        structure: factory string, with ``{M}`` for the bytes and ``{M2}`` for twice the bytes.
        labels: whether the method learns from labels.
        queries: whether the method learns from the training queries.
        from_opq: whether it starts from faiss's own OPQ index, whose build time is included.
        fastscan: whether the timed index has the FastScan layout, for 4-bit codes.
        options: more arguments of ``fit_vectors``.
    """

    structure: str
    labels: bool = False
    queries: bool = True
    from_opq: bool = False
    fastscan: bool = False
    options: dict[str, Any] = dataclasses.field(default_factory=dict)

    def method(self, name: str) -> Method:
        """Return the recipe as a method of the benchmark."""

        def build(problem: Problem, *, n_bytes: int, nlist: int, metric: str, seed: int) -> Baseline:
            *rotation, quantizer = self.structure.format(M=n_bytes, M2=2 * n_bytes).split(",")
            spec = ",".join([*rotation, *([f"IVF{nlist}"] if nlist else []), quantizer])
            return self._build(name, problem, spec, metric, seed)

        divides = 0 if self.structure.startswith("RQ") else 2 if "{M2}" in self.structure else 1
        return Method(name, build, divides=divides, needs_labels=self.labels, ours=name.startswith("poeem"))

    def _build(self, name: str, problem: Problem, spec: str, metric: str, seed: int) -> Baseline:
        from poeem.engines.faiss import from_faiss
        from poeem.training.recipes.vectors import fit_vectors

        items = np.ascontiguousarray(problem.items, dtype=np.float32)
        queries = problem.train_queries if self.queries else None
        began, initial_index = time.perf_counter(), None
        if self.from_opq:
            if metric == "cosine":
                # faiss indexes unit vectors by inner product.
                items = prepared(items, metric, "items")
                queries = None if queries is None else prepared(queries, metric, "train_queries")
            parsed = IndexSpec.parse(spec)
            opq = build_baseline("opq", items, M=parsed.M, nbits=parsed.nbits, metric=metric, seed=seed)
            initial_index = from_faiss(cast(Any, opq.index))
        pairs, relevant = None, problem.train_relevant if self.queries else None
        if self.labels and relevant is not None:
            pairs = np.stack([relevant.row_of_value, relevant.values], axis=1)
        fit = fit_vectors(
            items,
            queries,
            spec=spec,
            metric=metric,
            relevance=pairs,
            initial_index=initial_index,
            seed=seed,
            device="cpu",
            show=False,
            **self.options,
        )
        with tempfile.TemporaryDirectory() as folder:
            bundle = fit.bundle(np.arange(len(items)), items, Path(folder) / "bundle")
            return bundle_baseline(name, bundle, time.perf_counter() - began, fastscan=self.fastscan)


def _paper_recipe(name: str) -> FitRecipe:
    settings = method_settings(name, "fit")
    return FitRecipe("OPQ{M},PQ{M}", labels=settings.get("label_weight", 0.0) > 0, options=settings)


RECIPES: dict[str, FitRecipe] = {
    # Ours: without labels, and with labels in addition to the distillation.
    "poeem-rq": FitRecipe("RQ{M}x8"),
    "poeem-pq": FitRecipe("OPQ{M},PQ{M}"),
    "poeem-rq-labels": FitRecipe("RQ{M}x8", labels=True),
    "poeem-pq-labels": FitRecipe("OPQ{M},PQ{M}", labels=True),
    # Ours without the query adapter, and without queries.
    "poeem-rq-no-adapter": FitRecipe("RQ{M}x8", options={"adapter": False}),
    "poeem-rq-no-queries": FitRecipe("RQ{M}x8", queries=False),
    # Twice as many codes of 4 bits in the FastScan layout: the fastest.
    "poeem-fastscan": FitRecipe("OPQ{M2},PQ{M2}x4", fastscan=True),
    "poeem-fastscan-labels": FitRecipe("OPQ{M2},PQ{M2}x4", fastscan=True, labels=True),
    # faiss's own OPQ index, unchanged, with our query adapter.
    "poeem-adapter": FitRecipe("OPQ{M},PQ{M}", from_opq=True, options={"train_codebooks": False}),
    # RepCONC without its last part, JPQ from these codes; MoPQ without negatives of other devices.
    **{name: _paper_recipe(name) for name in ("poeem-2021", "jpq", "repconc", "mopq", "distill-vq")},
}
FIT_METHODS = tuple(recipe.method(name) for name, recipe in RECIPES.items())
