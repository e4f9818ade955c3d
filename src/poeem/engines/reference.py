"""The reference scorer: what every engine must agree with, in numpy and float64."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from poeem.bundle.bundle import Bundle
from poeem.engines.probing import check_nprobe, probes_by_inner_product
from poeem.engines.queries import check_k, prepare_queries

# Items decoded at a time: 8,192 x 64 doubles are 4 MB and stay near the processor.
_BLOCK_BYTES = 4 * 2**20
_QUERIES_AT_ONCE = 256


class ReferenceScorer:
    """Scores of queries against the decoded items of a bundle: the contract of training and engines.

    ``ip``: ``<q, x_hat>``; ``l2``: ``‖q - x_hat‖²``, smaller is better; ``cosine``: ``<q / ‖q‖, x_hat>``, ``x_hat`` not
    normalised again. The bundle's query adapter is applied to queries first. All products are taken in float64, so that
    a difference from an engine is the engine's.

    Args:
        bundle: the bundle to score.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.larger_is_better = bundle.metric != "l2"
        arrays = {name: array.astype(np.float64) for name, array in bundle.arrays.items()}
        self._rotation = arrays.get("rotation")
        self._coarse = arrays.get("coarse")
        self._words = arrays["codebooks"].reshape(-1, arrays["codebooks"].shape[-1])
        self._first_word = np.arange(bundle.spec.M) * bundle.spec.ksub
        self._by_inner_product = self._coarse is not None and probes_by_inner_product(
            bundle.spec, bundle.metric, self._coarse
        )

    def decode(self, rows: np.ndarray | slice | None = None) -> np.ndarray:
        """The items as the index sees them, ``x_hat``.

        Args:
            rows: which; None is all of them.
        Returns:
            float32, ``(n, dim)``.
        """
        if rows is not None:
            return self._rotate_back(self._decode_rotated(rows)).astype(np.float32)
        decoded = np.empty((len(self.bundle), self.bundle.dim), dtype=np.float32)
        for block in self._blocks():
            decoded[block] = self._rotate_back(self._decode_rotated(block))
        return decoded

    def scores(self, queries: Any, nprobe: int | None = None) -> np.ndarray:
        """Scores of every item.

        Args:
            queries: ``(nq, dim)``.
            nprobe: inverted lists visited per query; None is all of them.
        Returns:
            float32, ``(nq, n)``; -inf (+inf for ``l2``) for items of lists that are not visited.
        Raises:
            ValueError: queries of wrong shape, with NaN, or zero under ``cosine``; nprobe below 1.
        """
        rotated = self._rotated_queries(queries)
        visited = self._visited(rotated, nprobe)
        scores = np.empty((len(rotated), len(self.bundle)), dtype=np.float32)
        for block in self._blocks():
            scores[:, block] = self._block_scores(rotated, visited, block)
        return scores if self.larger_is_better else -scores

    def search(self, queries: Any, k: int, nprobe: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """The best items of every query.

        Args:
            queries: ``(nq, dim)``.
            k: results per query.
            nprobe: inverted lists visited per query; None is all of them.
        Returns:
            scores float32 and rows int64, both ``(nq, k)``, best first, ties by row; where the visited lists hold
            fewer than k items, row -1 and score -inf (+inf for ``l2``).
        Raises:
            ValueError: as `scores`; k below 1.
        """
        scores, rows, _ = self.ranked(queries, k, nprobe)
        return scores.astype(np.float32), rows

    def ranked(self, queries: Any, k: int, nprobe: int | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """As `search`, with scores in float64, and the largest absolute score of each query over all visited items."""
        k = check_k(k)
        rotated = self._rotated_queries(queries)
        visited = self._visited(rotated, nprobe)
        best = np.full((len(rotated), k), -np.inf)
        rows = np.full((len(rotated), k), -1, dtype=np.int64)
        largest = np.zeros(len(rotated))
        for first in range(0, len(rotated), _QUERIES_AT_ONCE):
            some = slice(first, first + _QUERIES_AT_ONCE)
            few = None if visited is None else visited[some]
            for block in self._blocks():
                scores = self._block_scores(rotated[some], few, block)
                # -inf marks what is not visited and would drown the largest score.
                finite = scores if few is None else np.where(np.isfinite(scores), scores, 0.0)
                largest[some] = np.maximum(largest[some], np.maximum(finite.max(1), -finite.min(1)))
                best[some], rows[some] = _merge(best[some], rows[some], scores, block.start)
        return (best if self.larger_is_better else -best), rows, largest

    def scores_of(self, queries: Any, rows: np.ndarray) -> np.ndarray:
        """float64 scores of chosen items, row for row: ``(nq, k)`` for ``rows (nq, k)``."""
        rotated = self._rotated_queries(queries)
        scores = np.empty(rows.shape)
        for i, query in enumerate(rotated):
            scores[i] = self._products(query[None], self._decode_rotated(rows[i]))[0]
        return scores if self.larger_is_better else -scores

    def _rotated_queries(self, queries: Any) -> np.ndarray:
        """Queries in the space of the words, where the rotation leaves every score as it is."""
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

    def _blocks(self) -> Iterator[slice]:
        rows = max(1, _BLOCK_BYTES // (8 * self.bundle.dim))
        for first in range(0, len(self.bundle), rows):
            yield slice(first, min(first + rows, len(self.bundle)))

    def _decode_rotated(self, rows: np.ndarray | slice) -> np.ndarray:
        """``y_hat``, before the rotation back: ``(n, dim)``."""
        words = np.take(self._words, self.bundle.codes[rows] + self._first_word, axis=0)
        decoded = words.reshape(len(words), -1) if self.bundle.spec.kind == "PQ" else words.sum(1)
        if self._coarse is not None and self.bundle.lists is not None:
            decoded += self._coarse[self.bundle.lists[rows]]
        return decoded

    def _rotate_back(self, decoded: np.ndarray) -> np.ndarray:
        return decoded if self._rotation is None else decoded @ self._rotation.T

    def _products(self, rotated: np.ndarray, decoded: np.ndarray) -> np.ndarray:
        """Scores with larger as better: squared distances come negated."""
        scores = rotated @ decoded.T
        if self.bundle.metric == "l2":
            scores *= 2
            scores -= (rotated**2).sum(1)[:, None]
            scores -= np.einsum("nd,nd->n", decoded, decoded)
        return scores

    def _block_scores(self, rotated: np.ndarray, visited: np.ndarray | None, block: slice) -> np.ndarray:
        scores = self._products(rotated, self._decode_rotated(block))
        if visited is not None and self.bundle.lists is not None:
            scores[~visited[:, self.bundle.lists[block]]] = -np.inf
        return scores


def _merge(best: np.ndarray, rows: np.ndarray, scores: np.ndarray, first: int) -> tuple[np.ndarray, np.ndarray]:
    """The best k of the best so far and of a block of later rows; of equal scores the earlier row is kept."""
    # Past the first blocks hardly a column still beats anyone's k-th best.
    columns = np.flatnonzero((scores > best[:, -1:]).any(0))
    if not columns.size:
        return best, rows
    all_scores = np.concatenate([best, scores[:, columns]], axis=1)
    all_rows = np.concatenate([rows, np.broadcast_to(columns + first, (len(rows), len(columns)))], axis=1)
    order = np.argsort(-all_scores, axis=1, kind="stable")[:, : best.shape[1]]
    best, rows = np.take_along_axis(all_scores, order, axis=1), np.take_along_axis(all_rows, order, axis=1)
    rows[np.isneginf(best)] = -1
    return best, rows
