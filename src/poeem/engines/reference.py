"""The reference scorer, in numpy and float64. Every engine must agree with it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np

from poeem.bundle.bundle import Bundle
from poeem.engines.probing import check_nprobe, probes_by_inner_product
from poeem.engines.queries import check_k, prepare_queries

# A block of scores or decoded items: 2 MB stay near the processor.
_BLOCK_BYTES = 2 * 2**20
_QUERIES_AT_ONCE = 64


class ReferenceScorer:
    """Scores queries against the decoded items ``x_hat`` of a bundle. Every engine must give the same scores.

    ``ip``: ``<q, x_hat>``; ``l2``: ``‖q - x_hat‖²``, smaller is better; ``cosine``: ``<q / ‖q‖, x_hat>``, where
    ``x_hat`` is not normalised. Queries are first multiplied by the bundle's query adapter. All sums are in float64, so
    any difference comes from the engine.

    Args:
        bundle: the bundle to score.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.larger_is_better = bundle.metric != "l2"
        arrays = {name: array.astype(np.float64) for name, array in bundle.arrays.items()}
        self._rotation = arrays.get("rotation")
        self._coarse = arrays.get("coarse")
        self._codebooks = arrays["codebooks"]
        self._by_inner_product = self._coarse is not None and probes_by_inner_product(
            bundle.spec, bundle.metric, self._coarse
        )

    def decode(self, rows: np.ndarray | slice | None = None) -> np.ndarray:
        """Decode items: return the vectors ``x_hat`` that their codes stand for.

        Args:
            rows: row numbers or a slice; None means all items.
        Returns:
            float32, ``(n, dim)``.
        """
        if rows is not None:
            return self._rotate_back(self._decode_rotated(rows)).astype(np.float32)
        decoded = np.empty((len(self.bundle), self.bundle.dim), dtype=np.float32)
        for block in self._blocks(self.bundle.dim):
            decoded[block] = self._rotate_back(self._decode_rotated(block))
        return decoded

    def scores(self, queries: Any, nprobe: int | None = None) -> np.ndarray:
        """Score every item for every query.

        Args:
            queries: ``(nq, dim)``.
            nprobe: inverted lists visited per query; None visits all.
        Returns:
            float32, ``(nq, n)``; -inf (+inf for ``l2``) for items of lists that are not visited.
        Raises:
            ValueError: queries of wrong shape, with NaN, or zero under ``cosine``; nprobe below 1.
        """
        rotated = self._rotated_queries(queries)
        scores = np.empty((len(rotated), len(self.bundle)), dtype=np.float32)
        for some, block, block_scores in self._score_blocks(rotated, nprobe):
            scores[some, block] = block_scores.T
        return scores if self.larger_is_better else -scores

    def search(self, queries: Any, k: int, nprobe: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Find the best items of every query.

        Args:
            queries: ``(nq, dim)``.
            k: results per query.
            nprobe: inverted lists visited per query; None visits all.
        Returns:
            scores float32 and row numbers int64, both ``(nq, k)``, best first, equal scores in row order. If the
            visited lists hold fewer than k items, the remaining rows are -1 and scores -inf (+inf for ``l2``).
        Raises:
            ValueError: queries of wrong shape, with NaN, zero under ``cosine``, or with scores beyond float32; k or
                nprobe below 1.
        """
        scores, rows, _ = self.ranked(queries, k, nprobe)
        with np.errstate(over="ignore"):
            single = scores.astype(np.float32)
        too_large = (np.isinf(single) & np.isfinite(scores)).any(1)
        if too_large.any():
            raise ValueError(
                f"queries: row {int(np.argmax(too_large))} has values so large that float32 cannot hold its scores; "
                "scale the queries"
            )
        return single, rows

    def ranked(self, queries: Any, k: int, nprobe: int | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Search as `search` does, with float64 scores.

        Returns:
            scores and row numbers, ``(nq, k)``, and each query's largest absolute score over all visited items,
            ``(nq,)``.
        """
        k = check_k(k)
        rotated = self._rotated_queries(queries)
        best = np.full((len(rotated), k), -np.inf)
        rows = np.full((len(rotated), k), -1, dtype=np.int64)
        largest = np.zeros(len(rotated))
        for some, block, scores in self._score_blocks(rotated, nprobe):
            # -inf marks what is not visited and would drown the largest score.
            absolute = np.abs(scores, where=np.isfinite(scores), out=np.zeros_like(scores))
            largest[some] = np.maximum(largest[some], absolute.max(0))
            best[some], rows[some] = _merge(best[some], rows[some], scores, block.start)
        return (best if self.larger_is_better else -best), rows, largest

    def scores_of(self, queries: Any, rows: np.ndarray) -> np.ndarray:
        """Return scores of the items in ``rows (nq, k)``, float64 ``(nq, k)``, computed from their decoded vectors."""
        rotated = self._rotated_queries(queries)
        scores = np.empty(rows.shape)
        for i, query in enumerate(rotated):
            decoded = self._decode_rotated(rows[i])
            scores[i] = decoded @ query if self.larger_is_better else ((decoded - query) ** 2).sum(1)
        return scores

    def _rotated_queries(self, queries: Any) -> np.ndarray:
        """Queries in rotated space; a rotation changes no score."""
        bundle = self.bundle
        prepared = prepare_queries(queries, bundle.dim, bundle.metric, bundle.arrays.get("query_adapter"))
        prepared = prepared.astype(np.float64)
        if bundle.metric == "cosine":
            prepared /= np.linalg.norm(prepared, axis=1, keepdims=True)
        return prepared if self._rotation is None else prepared @ self._rotation

    def _visited(self, rotated: np.ndarray, nprobe: int | None) -> np.ndarray | None:
        """bool ``(nq, nlist)``: which lists each query visits; None where it visits all."""
        nlist = self.bundle.spec.nlist
        nprobe = check_nprobe(nprobe, nlist, default=nlist)
        if self._coarse is None or nprobe >= nlist:
            return None
        nearness = rotated @ self._coarse.T
        if not self._by_inner_product:
            nearness -= (self._coarse**2).sum(1) / 2
        visited = np.zeros((len(rotated), nlist), dtype=bool)
        np.put_along_axis(visited, np.argpartition(-nearness, nprobe - 1, axis=1)[:, :nprobe], True, axis=1)
        return visited

    def _score_blocks(self, rotated: np.ndarray, nprobe: int | None) -> Iterator[tuple[slice, slice, np.ndarray]]:
        """Queries, rows and their scores ``(rows, queries)``, block by block; larger is better, -inf is not visited."""
        visited = self._visited(rotated, nprobe)
        for first in range(0, len(rotated), _QUERIES_AT_ONCE):
            some = slice(first, min(first + _QUERIES_AT_ONCE, len(rotated)))
            tables = self._tables(rotated[some])
            lists = None if self._coarse is None else self._coarse @ rotated[some].T
            if lists is not None and visited is not None:
                lists[~visited[some].T] = -np.inf
            for block in self._blocks(some.stop - some.start):
                products = self._look_up(tables, lists, block)
                if self.bundle.metric == "l2":
                    products = 2 * products - self._norms[block, None] - (rotated[some] ** 2).sum(1)
                yield some, block, products

    def _tables(self, rotated: np.ndarray) -> np.ndarray:
        """``<q, B_mk>`` of every codeword: ``(M, ksub, nq)``."""
        if self.bundle.spec.kind == "RQ":
            return self._codebooks @ rotated.T
        slices = rotated.reshape(len(rotated), self.bundle.spec.M, -1)
        return self._codebooks @ slices.transpose(1, 2, 0)

    def _look_up(self, tables: np.ndarray, lists: np.ndarray | None, block: slice) -> np.ndarray:
        """``<q, y_hat>`` as a sum of looked-up products: ``(rows, nq)``."""
        # Codes and lists were checked with the bundle: "clip" only spares numpy a second pass over them.
        codes = self.bundle.codes[block]
        products = np.take(tables[0], codes[:, 0], axis=0, mode="clip")
        for m in range(1, len(tables)):
            products += np.take(tables[m], codes[:, m], axis=0, mode="clip")
        if lists is not None and self.bundle.lists is not None:
            products += np.take(lists, self.bundle.lists[block], axis=0, mode="clip")
        return products

    @cached_property
    def _norms(self) -> np.ndarray:
        """``‖y_hat‖²`` of every item, ``(n,)``."""
        norms = np.empty(len(self.bundle))
        for block in self._blocks(self.bundle.dim):
            decoded = self._decode_rotated(block)
            norms[block] = np.einsum("nd,nd->n", decoded, decoded)
        return norms

    def _blocks(self, width: int) -> Iterator[slice]:
        """Rows in blocks for which ``(rows, width)`` doubles stay near the processor."""
        rows = max(1, _BLOCK_BYTES // (8 * width))
        for first in range(0, len(self.bundle), rows):
            yield slice(first, min(first + rows, len(self.bundle)))

    def _decode_rotated(self, rows: np.ndarray | slice) -> np.ndarray:
        """``y_hat``, before the rotation back: ``(n, dim)``."""
        spec, codes = self.bundle.spec, self.bundle.codes[rows]
        if spec.kind == "PQ":
            codewords = self._codebooks.reshape(-1, self._codebooks.shape[2])
            decoded = np.take(codewords, codes + np.arange(spec.M) * spec.ksub, axis=0, mode="clip").reshape(
                len(codes), -1
            )
        else:
            decoded = sum_codewords(self._codebooks, codes)
        if self._coarse is not None and self.bundle.lists is not None:
            decoded += np.take(self._coarse, self.bundle.lists[rows], axis=0, mode="clip")
        return decoded

    def _rotate_back(self, decoded: np.ndarray) -> np.ndarray:
        return decoded if self._rotation is None else decoded @ self._rotation.T


def sum_codewords(codebooks: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Decode additive codes ``(n, M)`` by codebooks ``(M, ksub, dim)``: return ``sum_m B[m, code_m]``, ``(n, dim)``.

    >>> codebooks = np.array([[[1.0], [2.0]], [[10.0], [20.0]]])
    >>> sum_codewords(codebooks, np.array([[1, 0], [0, 1]]))
    array([[12.],
           [21.]])
    """
    total = np.take(codebooks[0], codes[:, 0], axis=0, mode="clip")
    for m in range(1, len(codebooks)):
        total += np.take(codebooks[m], codes[:, m], axis=0, mode="clip")
    return total


def _merge(best: np.ndarray, rows: np.ndarray, scores: np.ndarray, first: int) -> tuple[np.ndarray, np.ndarray]:
    """The best k so far with those of a block of later rows, ``(rows, nq)``; of equal scores the earlier row stays."""
    # Past the first blocks hardly a row still beats anyone's k-th best.
    better = np.flatnonzero((scores > best[:, -1]).any(1))
    if not better.size:
        return best, rows
    all_scores = np.concatenate([best, scores[better].T], axis=1)
    all_rows = np.concatenate([rows, np.broadcast_to(better + first, (len(rows), len(better)))], axis=1)
    order = np.argsort(-all_scores, axis=1, kind="stable")[:, : best.shape[1]]
    best, rows = np.take_along_axis(all_scores, order, axis=1), np.take_along_axis(all_rows, order, axis=1)
    rows[np.isneginf(best)] = -1
    return best, rows
