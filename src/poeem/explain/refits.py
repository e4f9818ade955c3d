"""Copies of an index with one part fitted again to the items: codebooks, rotation, lists or the whole structure."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from poeem.bundle.bundle import Bundle
from poeem.bundle.encoder import Encoder
from poeem.bundle.fingerprint import fingerprint
from poeem.bundle.storage_dtypes import as_stored
from poeem.engines.probing import probes_by_inner_product
from poeem.engines.reference import ReferenceScorer
from poeem.evaluation.scorers import DecodedScorer, coarse_for_queries
from poeem.functional.additive_fit import fit_additive
from poeem.functional.coarse import assign_lists, equal_norms
from poeem.functional.decomposition import decompose
from poeem.functional.kmeans import kmeans, lloyd
from poeem.functional.pq import split
from poeem.layers.choices import BeamSearch
from poeem.layers.embedding_index import EmbeddingIndex
from poeem.metric import Metric
from poeem.spec import IndexSpec

# Rows that codewords, rotations and centroids are fitted to: at most a minute's work, and 64 rows per codeword.
FIT_ROWS = 16_384
# Additive codewords take M times as long. Half of the rows and of the beam still rank the structures in the same order.
ADDITIVE_ROWS, _ADDITIVE_BEAM = 8_192, 4
_LLOYD_ITERATIONS, _ROTATION_ROUNDS = 15, 25


def in_memory_bundle(
    spec: IndexSpec,
    metric: str,
    arrays: dict[str, np.ndarray],
    codes: np.ndarray,
    lists: np.ndarray | None,
    ids: np.ndarray | None = None,
    training: dict[str, Any] | None = None,
) -> Bundle:
    """Return a bundle that is not stored on disk. Arguments as for `Bundle`; ``ids`` are row numbers by default."""
    dim = arrays["codebooks"].shape[2] * (spec.M if spec.kind == "PQ" else 1)
    return Bundle(
        path=Path("in-memory"),
        spec=spec,
        metric=metric,
        dim=dim,
        arrays={name: np.ascontiguousarray(array, dtype=np.float32) for name, array in arrays.items()},
        ids=np.arange(len(codes)) if ids is None else ids,
        codes=np.ascontiguousarray(codes, dtype=np.uint8),
        lists=None if lists is None else np.ascontiguousarray(lists, dtype=np.int32),
        columns=None,
        fingerprint=fingerprint(spec, metric, dim, arrays),
        training=training or {},
        files={},
    )


def bundle_scorer(bundle: Bundle, nprobe: int | None) -> DecodedScorer:
    """Return a scorer with the scores that engines give a bundle's items. Queries must be multiplied by the adapter."""
    return list_scorer(bundle, ReferenceScorer(bundle).decode(), nprobe)


def list_scorer(bundle: Bundle, vectors: np.ndarray, nprobe: int | None) -> DecodedScorer:
    """Return a scorer of any item vectors in the lists of a bundle.

    Args:
        bundle: the bundle whose lists and centroids decide which items are scored.
        vectors: float32, ``(n, dim)``, in the space of the queries.
        nprobe: lists visited per query; None: all.
    """
    if bundle.lists is None:
        return DecodedScorer(vectors, bundle.metric)
    by_product = probes_by_inner_product(bundle.spec, bundle.metric, bundle.arrays["coarse"])
    return DecodedScorer(
        vectors,
        bundle.metric,
        coarse=coarse_for_queries(bundle.arrays),
        lists=bundle.lists,
        nprobe=None if nprobe is None else min(nprobe, bundle.spec.nlist),
        probe_metric="ip" if by_product else "l2",
    )


def reencode(bundle: Bundle, items: np.ndarray) -> Bundle:
    """Return the bundle with the codes and lists that its own arrays assign to the vectors ``items (n, dim)``."""
    codes, lists = Encoder(bundle).encode(np.ascontiguousarray(items, dtype=np.float32))
    return replace(bundle, codes=codes, lists=lists)


def rotate_index(bundle: Bundle, rotation: np.ndarray) -> Bundle:
    """Return the index with one more rotation in front: ``x`` is scored as ``x @ rotation`` was before. Codes stay."""
    arrays, spec = dict(bundle.arrays), bundle.spec
    if spec.kind == "PQ":
        arrays["rotation"] = rotation @ arrays["rotation"] if spec.rotated else rotation
        spec = replace(spec, rotated=True)
    else:
        for name in ("coarse", "codebooks", "encoder_codebooks"):
            if name in arrays:
                arrays[name] = arrays[name] @ rotation.T
    return in_memory_bundle(spec, bundle.metric, arrays, bundle.codes, bundle.lists, bundle.ids, dict(bundle.training))


def refit_codewords(bundle: Bundle, items: np.ndarray, seed: int = 0) -> Bundle:
    """Return the index with codewords fitted to the residuals of ``items (n, dim)``. Rotation and lists stay."""
    y, centroids = _rotated(bundle, items)
    residuals = y if centroids is None else y - centroids
    sample, generator = _sample(residuals, seed)
    if bundle.spec.kind == "PQ":
        codebooks = torch.tensor(bundle.arrays["codebooks"])
        codebooks = lloyd(split(sample, bundle.spec.M), codebooks, iterations=_LLOYD_ITERATIONS, generator=generator)
    else:
        rows = max(ADDITIVE_ROWS, bundle.spec.ksub)
        codebooks = fit_additive(sample[:rows], bundle.spec.M, bundle.spec.ksub, rounds=2, generator=generator)
    return _with_arrays(bundle, {"codebooks": codebooks.numpy()}, items, bundle.spec)


def refit_rotation(bundle: Bundle, items: np.ndarray, seed: int = 0) -> Bundle:
    """Return the index with rotation and codewords fitted to the residuals of ``items (n, dim)``. PQ only."""
    assert bundle.spec.kind == "PQ"
    y, centroids = _rotated(bundle, items)
    old_rotation = torch.tensor(bundle.arrays["rotation"]) if bundle.spec.rotated else torch.eye(bundle.dim)
    residuals = (y if centroids is None else y - centroids) @ old_rotation.T
    sample, generator = _sample(residuals, seed)
    fit = decompose(
        sample, M=bundle.spec.M, ksub=bundle.spec.ksub, rotated=True, rounds=_ROTATION_ROUNDS, generator=generator
    )
    assert fit.rotation is not None
    arrays = {"codebooks": fit.codebooks.numpy(), "rotation": fit.rotation.numpy()}
    if "coarse" in bundle.arrays:
        arrays["coarse"] = bundle.arrays["coarse"] @ (old_rotation.T @ fit.rotation).numpy()
    return _with_arrays(bundle, arrays, items, replace(bundle.spec, rotated=True))


def refit_lists(bundle: Bundle, items: np.ndarray, seed: int = 0) -> Bundle:
    """Return the index with lists from k-means on ``items (n, dim)``; rotation and codewords are fitted as well."""
    spec = bundle.spec
    coarse, lists = fit_lists(items, spec.nlist, bundle.metric, seed, rows=max(FIT_ROWS, 64 * spec.nlist))
    with_lists = in_memory_bundle(
        replace(spec, rotated=False),
        bundle.metric,
        {"coarse": coarse.numpy(), "codebooks": bundle.arrays["codebooks"]},
        bundle.codes,
        lists,
    )
    return (refit_codewords if spec.kind == "RQ" else refit_rotation)(with_lists, items, seed)


def fit_lists(
    items: np.ndarray, nlist: int, metric: str, seed: int, *, rows: int, **kmeans_options: Any
) -> tuple[torch.Tensor, np.ndarray]:
    """Run k-means on a sample of ``rows`` items; return centroids ``(nlist, dim)`` and each item's list ``(n,)``."""
    x = torch.from_numpy(items)
    generator = torch.Generator().manual_seed(seed)
    sample = torch.randperm(len(x), generator=generator)[:rows]
    coarse = kmeans(x[sample][:, None], nlist, generator=generator, **kmeans_options)[0]
    if metric != "l2":
        coarse = equal_norms(coarse)
    return coarse, assign_lists(x, coarse).numpy()


def fit_index(items: np.ndarray, spec: IndexSpec, metric: str, seed: int = 0) -> Bundle:
    """Return an index of this structure fitted to ``items (n, dim)``: a warm start on a sample, without training.

    Raises:
        ValueError: the spec does not fit the width or the number of the vectors.
    """
    rows = ADDITIVE_ROWS if spec.kind == "RQ" else FIT_ROWS
    assignment = BeamSearch(_ADDITIVE_BEAM) if spec.kind == "RQ" else "nearest"
    layer = EmbeddingIndex(items.shape[1], spec, metric=cast(Metric, metric), seed=seed, assignment=assignment)
    order = np.random.default_rng(seed).permutation(len(items))[: max(rows, layer.min_rows)]
    layer.warm_start(torch.from_numpy(np.ascontiguousarray(items[np.sort(order)], dtype=np.float32)))
    codes, lists = as_stored(*layer.eval().encode(torch.from_numpy(np.ascontiguousarray(items, dtype=np.float32))))
    return in_memory_bundle(spec, metric, layer.arrays(), codes, lists)


def _with_arrays(bundle: Bundle, arrays: dict[str, np.ndarray], items: np.ndarray, spec: IndexSpec) -> Bundle:
    """The items encoded by changed arrays. Arrays that only the old encoder used are dropped."""
    kept = {name: array for name, array in bundle.arrays.items() if name in ("rotation", "coarse")}
    changed = in_memory_bundle(spec, bundle.metric, kept | arrays, bundle.codes, bundle.lists, bundle.ids)
    return reencode(changed, items)


def _rotated(bundle: Bundle, items: np.ndarray) -> tuple[torch.Tensor, torch.Tensor | None]:
    """The rotated items, and the centroid of each if there are lists."""
    y = torch.from_numpy(items)
    if "rotation" in bundle.arrays:
        y = y @ torch.tensor(bundle.arrays["rotation"])
    if bundle.lists is None:
        return y, None
    return y, torch.tensor(bundle.arrays["coarse"])[torch.tensor(bundle.lists).long()]


def _sample(x: torch.Tensor, seed: int) -> tuple[torch.Tensor, torch.Generator]:
    generator = torch.Generator().manual_seed(seed)
    return x[torch.randperm(len(x), generator=generator)[:FIT_ROWS]], generator
