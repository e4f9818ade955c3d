"""The trained index of a Lance dataset: it transforms vectors, queries, codes and scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from poeem.bundle.bundle import Bundle
from poeem.bundle.storage_dtypes import as_stored
from poeem.engines.export_facts import facts_of
from poeem.engines.lance.layout import (
    lift_codebooks,
    lift_codes,
    lift_codewords,
    lift_vectors,
    lifted,
    query_scales,
    scores_from,
    stored_dim,
)
from poeem.engines.lance.sidecar import Facts, array_sha256
from poeem.engines.queries import prepare_queries
from poeem.functional.packing import pack_codes
from poeem.spec import IndexSpec

_ROWS_AT_ONCE = 65536
# Room for the norms of later items, in multiples of the largest squared norm.
_LIFT_ROOM = 1.25


@dataclass(frozen=True, eq=False)
class Trained:
    """Facts and arrays of the trained index of a dataset.

    Args:
        facts: facts stored with the dataset.
        arrays: float32 arrays by name, as in a bundle.
    """

    facts: Facts
    arrays: Mapping[str, np.ndarray]

    @cached_property
    def spec(self) -> IndexSpec:
        """The trained structure."""
        return IndexSpec.parse(self.facts.spec)

    @property
    def width(self) -> int:
        """Width of the stored vectors, see `stored_dim`."""
        return stored_dim(self.spec, self.facts.metric, self.facts.dim)

    @property
    def codewords(self) -> int:
        """Number of codewords per code in Lance's index: M, plus those of a lift."""
        return self.spec.M + lift_codewords(self.spec, self.facts.metric)

    @property
    def centroids(self) -> np.ndarray:
        """Centroids as Lance stores them, see `lance_centroids`."""
        return lance_centroids(self.spec, self.facts.metric, self.facts.dim, self.arrays)

    @property
    def codebooks(self) -> np.ndarray:
        """Codebooks as Lance stores them, float32 ``(codewords, ksub, dsub)``."""
        trained = np.array(self.arrays["codebooks"])
        if not self.facts.lift:
            return trained
        return np.concatenate([trained, lift_codebooks(self.spec, self.facts.dim, self.facts.lift)])

    def rotated(self, rows: np.ndarray) -> np.ndarray:
        """Normalise rows ``(n, dim)`` under ``cosine``, rotate them, and return float32 ``(n, dim)``."""
        rows = np.array(rows, dtype=np.float32)
        if self.facts.metric == "cosine":
            rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return rows @ self.arrays["rotation"] if "rotation" in self.arrays else rows

    def stored(self, rotated: np.ndarray) -> np.ndarray:
        """Return rotated rows ``(n, dim)`` as the dataset stores them, ``(n, width)``: with the dimensions of a lift.

        Raises:
            ValueError: the squared norm of a row is larger than the lift.
        """
        if not self.facts.lift:
            return rotated
        self._check_room(np.einsum("nd,nd->n", rotated, rotated, dtype=np.float64))
        return lift_vectors(self.spec, rotated, self.facts.lift)

    def queries(self, queries: Any) -> tuple[np.ndarray, np.ndarray]:
        """Check and transform queries ``(nq, dim)``. Errors as for `prepare_queries`.

        Returns:
            queries for Lance, float32 ``(nq, width)``, and the factors of `query_scales` in them, float64 ``(nq,)``.
        """
        facts = self.facts
        prepared = prepare_queries(queries, facts.dim, facts.metric, self.arrays.get("query_adapter"))
        rotated = self.rotated(prepared)
        norms = np.linalg.norm(rotated.astype(np.float64), axis=1)
        scales = query_scales(norms, self.spec, facts.metric, facts.lift)
        result = np.zeros((len(rotated), self.width), dtype=np.float32)
        result[:, : facts.dim] = rotated * scales[:, None]
        return result, scales

    def scores(self, distances: np.ndarray, queries: np.ndarray, scales: np.ndarray) -> np.ndarray:
        """Return our scores for Lance's distances, both ``(nq, k)``, given the two results of `queries`."""
        return scores_from(distances, queries, scales, self.spec, self.facts.metric, self.facts.lift)

    def encode(self, rotated: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the codes uint8 ``(n, M)`` and lists int32 ``(n,)`` (None if flat) of rotated rows ``(n, dim)``."""
        import torch

        from poeem.functional.pq import assign_codes

        rows, lists = rotated, None
        if self.spec.nlist:
            coarse = self.arrays["coarse"]
            lists = (np.square(coarse).sum(1) / 2 - rotated @ coarse.T).argmin(1)
            rows = rotated - coarse[lists]
        # If codes were fixed while codewords were trained, the earlier codewords encode new rows.
        codebooks = self.arrays.get("encoder_codebooks", self.arrays["codebooks"])
        codes = assign_codes(torch.from_numpy(np.array(rows, order="C")), torch.from_numpy(np.array(codebooks)))
        return as_stored(codes, None if lists is None else torch.from_numpy(lists))

    def index_codes(self, codes: np.ndarray, lists: np.ndarray | None) -> np.ndarray:
        """Return packed codes for Lance's index, with the extra codewords of a lift (see `layout`), uint8.

        They are ``(n, codewords * nbits / 8)``.

        Raises:
            ValueError: the squared norm of a decoded code is larger than the lift.
        """
        if self.facts.lift:
            norms = decoded_norms(self.arrays, codes, lists)
            self._check_room(norms)
            codes = np.concatenate([codes, lift_codes(self.spec, norms, self.facts.lift)], axis=1)
        return pack_codes(codes, self.spec.nbits)

    def _check_room(self, squared_norms: np.ndarray) -> None:
        longest = float(squared_norms.max(initial=0))
        if longest > self.facts.lift:
            raise ValueError(
                f"vectors: a squared norm of {longest:.4g} is more than the dataset has room for "
                f"({self.facts.lift:.4g}); export the bundle again with such items in it"
            )


def lance_centroids(spec: IndexSpec, metric: str, dim: int, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return centroids as Lance stores them: float32 ``(max(1, nlist), stored_dim(...))``.

    The first ``dim`` columns are the trained centroids, the others are 0. A flat index has one row of zeros.
    """
    centroids = np.zeros((max(1, spec.nlist), stored_dim(spec, metric, dim)), dtype=np.float32)
    if spec.nlist:
        centroids[:, :dim] = arrays["coarse"]
    return centroids


def decoded_norms(arrays: Mapping[str, np.ndarray], codes: np.ndarray, lists: np.ndarray | None) -> np.ndarray:
    """Return ``‖x_hat‖²``, float64 ``(n,)``, of codes ``(n, M)`` in lists ``(n,)`` (None for a flat index)."""
    norms = np.empty(len(codes))
    books = arrays["codebooks"].astype(np.float64)
    for first in range(0, len(codes), _ROWS_AT_ONCE):
        some = slice(first, first + _ROWS_AT_ONCE)
        decoded = np.concatenate([book[codes[some, m]] for m, book in enumerate(books)], axis=1)
        if lists is not None:
            decoded += arrays["coarse"][lists[some]]
        norms[some] = np.einsum("nd,nd->n", decoded, decoded)
    return norms


def trained_index_of(bundle: Bundle, vectors: np.ndarray, nprobe: int | None) -> Trained:
    """Return the trained index of a bundle, with a lift (see `layout`) that suits the items' vectors ``(n, dim)``.

    ``nprobe`` is the default number of lists visited per query; None takes the training's.
    """
    lift = 0.0
    if lifted(bundle.spec, bundle.metric):
        largest = float(decoded_norms(bundle.arrays, bundle.codes, bundle.lists).max())
        for first in range(0, len(vectors), _ROWS_AT_ONCE):
            block = np.asarray(vectors[first : first + _ROWS_AT_ONCE], dtype=np.float64)
            norms = np.einsum("nd,nd->n", block, block)
            largest = max(largest, 1.0 if bundle.metric == "cosine" else float(norms.max()))
        lift = _LIFT_ROOM * largest
    facts = Facts(
        **facts_of(bundle, nprobe),
        lift=lift,
        centroids_sha256=array_sha256(lance_centroids(bundle.spec, bundle.metric, bundle.dim, bundle.arrays)),
    )
    return Trained(facts, bundle.arrays)
