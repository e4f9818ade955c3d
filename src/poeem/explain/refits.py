"""Indexes of the same items with one part refitted: codebooks, rotation, lists or the whole structure."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from poeem.bundle.bundle import Bundle
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
from poeem.layers.from_arrays import encoder_of
from poeem.metric import Metric
from poeem.spec import IndexSpec

# Rows that words, rotations and centroids are refitted to: a minute's work at most, and 64 rows a word.
FIT_ROWS = 16_384
# Additive words take M times as long: half of the rows and of the beam still tell one structure from another.
ADDITIVE_ROWS, _ADDITIVE_BEAM = 8_192, 4
_LLOYD_ITERATIONS, _ROTATION_ROUNDS = 15, 25


def in_memory(
    spec: IndexSpec,
    metric: str,
    arrays: dict[str, np.ndarray],
    codes: np.ndarray,
    lists: np.ndarray | None,
    ids: np.ndarray | None = None,
    training: dict[str, Any] | None = None,
) -> Bundle:
    """A bundle that stands nowhere on a disk."""
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


def scorer_of(bundle: Bundle, nprobe: int | None) -> DecodedScorer:
    """What an engine scores of a bundle, for queries that have been through the adapter."""
    return candidates_of(bundle, ReferenceScorer(bundle).decode(), nprobe)


def candidates_of(bundle: Bundle, vectors: np.ndarray, nprobe: int | None) -> DecodedScorer:
    """Any vectors of the items, scored where the bundle's lists are visited.

    Args:
        bundle: its lists and centroids choose what is scored.
        vectors: float32, ``(n, dim)``, in the space of the queries.
        nprobe: lists visited a query; None is all.
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


def encoded_again(bundle: Bundle, items: np.ndarray) -> Bundle:
    """Codes and lists as the bundle's own arrays give them to these vectors ``(n, dim)``."""
    codes, lists = _encode(encoder_of(bundle), items)
    return replace(bundle, codes=codes, lists=lists)


def turned(bundle: Bundle, rotation: np.ndarray) -> Bundle:
    """The same codes behind another rotation: an item ``x`` is found where ``x @ rotation`` was before."""
    arrays, spec = dict(bundle.arrays), bundle.spec
    if spec.kind == "PQ":
        arrays["rotation"] = rotation @ arrays["rotation"] if spec.rotated else rotation
        spec = replace(spec, rotated=True)
    else:
        for name in ("coarse", "codebooks", "encoder_codebooks"):
            if name in arrays:
                arrays[name] = arrays[name] @ rotation.T
    return in_memory(spec, bundle.metric, arrays, bundle.codes, bundle.lists, bundle.ids, dict(bundle.training))


def with_new_words(bundle: Bundle, items: np.ndarray, seed: int = 0) -> Bundle:
    """Words fitted to the residuals of these vectors; rotation and lists as they are. ``items (n, dim)`` prepared."""
    y, centroids = _rotated(bundle, items)
    residuals = y if centroids is None else y - centroids
    some, generator = _sample(residuals, seed)
    if bundle.spec.kind == "PQ":
        words = torch.tensor(bundle.arrays["codebooks"])
        words = lloyd(split(some, bundle.spec.M), words, iterations=_LLOYD_ITERATIONS, generator=generator)
    else:
        rows = max(ADDITIVE_ROWS, bundle.spec.ksub)
        words = fit_additive(some[:rows], bundle.spec.M, bundle.spec.ksub, rounds=2, generator=generator)
    return _encoded_by(bundle, {"codebooks": words.numpy()}, items, bundle.spec)


def with_new_rotation(bundle: Bundle, items: np.ndarray, seed: int = 0) -> Bundle:
    """Rotation and words fitted to the residuals of these vectors; the lists as they are. PQ only."""
    assert bundle.spec.kind == "PQ"
    y, centroids = _rotated(bundle, items)
    before = torch.tensor(bundle.arrays["rotation"]) if bundle.spec.rotated else torch.eye(bundle.dim)
    residuals = (y if centroids is None else y - centroids) @ before.T
    some, generator = _sample(residuals, seed)
    found = decompose(
        some, M=bundle.spec.M, ksub=bundle.spec.ksub, rotated=True, rounds=_ROTATION_ROUNDS, generator=generator
    )
    assert found.rotation is not None
    arrays = {"codebooks": found.codebooks.numpy(), "rotation": found.rotation.numpy()}
    if "coarse" in bundle.arrays:
        arrays["coarse"] = bundle.arrays["coarse"] @ (before.T @ found.rotation).numpy()
    return _encoded_by(bundle, arrays, items, replace(bundle.spec, rotated=True))


def with_new_lists(bundle: Bundle, items: np.ndarray, seed: int = 0) -> Bundle:
    """As many centroids by k-means on these vectors, and then everything behind them."""
    spec = bundle.spec
    x = torch.from_numpy(items)
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randperm(len(x), generator=generator)[: max(FIT_ROWS, 64 * spec.nlist)]
    coarse = kmeans(x[rows][:, None], spec.nlist, generator=generator)[0]
    if bundle.metric != "l2":
        coarse = equal_norms(coarse)
    lists = assign_lists(x, coarse)
    moved = in_memory(
        replace(spec, rotated=False),
        bundle.metric,
        {"coarse": coarse.numpy(), "codebooks": bundle.arrays["codebooks"]},
        bundle.codes,
        lists.numpy(),
    )
    again = with_new_words if spec.kind == "RQ" else with_new_rotation
    return again(moved, items, seed)


def fitted(items: np.ndarray, spec: IndexSpec, metric: str, seed: int = 0) -> Bundle:
    """A plain index of a structure, warm-started on a sample of these vectors ``(n, dim)`` and filled with all.

    Raises:
        ValueError: the width or the number of the vectors does not suit the structure.
    """
    rows = ADDITIVE_ROWS if spec.kind == "RQ" else FIT_ROWS
    assignment = BeamSearch(_ADDITIVE_BEAM) if spec.kind == "RQ" else "nearest"
    layer = EmbeddingIndex(items.shape[1], spec, metric=cast(Metric, metric), seed=seed, assignment=assignment)
    order = np.random.default_rng(seed).permutation(len(items))[: max(rows, layer.min_rows)]
    layer.warm_start(torch.from_numpy(np.ascontiguousarray(items[np.sort(order)], dtype=np.float32)))
    codes, lists = _encode(layer.eval(), items)
    return in_memory(spec, metric, layer.arrays(), codes, lists)


def _encoded_by(bundle: Bundle, arrays: dict[str, np.ndarray], items: np.ndarray, spec: IndexSpec) -> Bundle:
    """The items under changed arrays; words that only assigned codes, and how they did, are no longer wanted."""
    kept = {name: array for name, array in bundle.arrays.items() if name in ("rotation", "coarse")}
    return encoded_again(in_memory(spec, bundle.metric, kept | arrays, bundle.codes, bundle.lists, bundle.ids), items)


def _rotated(bundle: Bundle, items: np.ndarray) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Items behind the rotation, and the centroid of each where there are lists."""
    y = torch.from_numpy(items)
    if "rotation" in bundle.arrays:
        y = y @ torch.tensor(bundle.arrays["rotation"])
    if bundle.lists is None:
        return y, None
    return y, torch.tensor(bundle.arrays["coarse"])[torch.tensor(bundle.lists).long()]


def _sample(x: torch.Tensor, seed: int) -> tuple[torch.Tensor, torch.Generator]:
    generator = torch.Generator().manual_seed(seed)
    return x[torch.randperm(len(x), generator=generator)[:FIT_ROWS]], generator


def _encode(layer: EmbeddingIndex, items: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    return as_stored(*layer.encode(torch.from_numpy(np.ascontiguousarray(items, dtype=np.float32))))
