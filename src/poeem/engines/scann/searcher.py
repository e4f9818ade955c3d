"""Search ScaNN's files with queries as the model gives them, and the users' own ids."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from poeem.bundle.bundle import Bundle
from poeem.engines.probing import check_nprobe
from poeem.engines.queries import check_k, prepare_queries
from poeem.engines.scann.assets import load
from poeem.engines.scann.facts import FACTS_FILE, Facts, read_facts

_LOG2_NORM = 20


class ScannSearcher:
    """ScaNN's searcher, and what it has no place for.

    Args:
        engine: ScaNN's searcher.
        facts: of the export.
        ids: int64 or object of str, ``(n,)``.
        arrays: ``rotation`` and ``query_adapter``, those that the index has.
    """

    def __init__(self, engine: Any, facts: Facts, ids: np.ndarray, arrays: Mapping[str, np.ndarray]) -> None:
        self.engine = engine
        self.facts = facts
        self.ids = ids
        self.arrays = arrays
        self.metric, self.dim, self.nlist, self.nprobe = facts.metric, facts.dim, facts.nlist, facts.nprobe

    def __len__(self) -> int:
        return len(self.ids)

    def search(self, queries: Any, k: int, nprobe: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """The best items of every query; scores are approximate, by ScaNN's look-up tables of 8 bits.

        Args:
            queries: ``(nq, dim)``, neither rotated nor normalised.
            k: results per query.
            nprobe: lists visited per query; None takes the stored one.
        Returns:
            scores float32 and ids (int64, or str objects), both ``(nq, k)``, best first; where the visited lists hold
            fewer than k items, id -1 (None for strings) and score -inf (+inf for ``l2``).
        Raises:
            ValueError: queries of wrong shape, with NaN, or zero under ``cosine``; k or nprobe below 1.
        """
        scores, rows = self.search_rows(queries, k, nprobe)
        ids = self.ids[rows]
        ids[rows < 0] = None if ids.dtype == object else -1
        return scores, ids

    def search_rows(self, queries: Any, k: int, nprobe: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """As `search`, with row numbers for ids."""
        prepared = prepare_queries(queries, self.dim, self.metric, self.arrays.get("query_adapter"))
        k, probes = check_k(k), check_nprobe(nprobe, self.nlist, default=self.nprobe)
        if self.metric == "cosine":
            prepared = prepared / np.linalg.norm(prepared, axis=1, keepdims=True)
        if "rotation" in self.arrays:
            prepared = prepared @ self.arrays["rotation"]
        if not len(prepared):
            return np.zeros((0, k), np.float32), np.zeros((0, k), np.int64)
        scales = np.ones(len(prepared)) if self.metric == "l2" else _scales(prepared)
        prepared = (prepared * scales[:, None]).astype(np.float32)
        probing = {"leaves_to_search": probes} if self.nlist else {}
        rows, scores = self.engine.search_batched(prepared, final_num_neighbors=k, **probing)
        scores = scores / scales[:, None]
        # Past what it has found ScaNN leaves item 0 and NaN.
        missing = ~np.isfinite(scores)
        rows = np.where(missing, -1, rows.astype(np.int64))
        return np.where(missing, np.inf if self.metric == "l2" else -np.inf, scores).astype(np.float32), rows


def _scales(queries: np.ndarray) -> np.ndarray:
    """Powers of two that bring queries to a norm of about 2**20, ``(nq,)``: small scores lose digits in ScaNN's tables.

    >>> _scales(np.float32([[2.0, 0.0], [0.0, 0.0]])).tolist()
    [524288.0, 1.0]
    """
    norms = np.linalg.norm(queries.astype(np.float64), axis=1)
    some = norms > 0
    return np.where(some, 2.0 ** np.round(_LOG2_NORM - np.log2(np.where(some, norms, 1.0))), 1.0)


def open_scann(path: str | Path, bundle: Bundle | None = None) -> ScannSearcher:
    """A searcher over an export, wherever its folder stands now; the bundle is not needed.

    Args:
        path: the folder.
        bundle: if given, the export must be of its training and its items.
    Raises:
        FileNotFoundError: there is no export.
        ValueError: it is damaged, or of another training or other items; or scann is not installed.
    """
    path = Path(path)
    if not (path / FACTS_FILE).is_file():
        raise FileNotFoundError(f"no export for ScaNN at {str(path)!r}")
    facts, ids, arrays = read_facts(path)
    if bundle is not None:
        same = facts.fingerprint == bundle.fingerprint
        if not same or facts.items_sha256 != bundle.files["items.parquet"].sha256:
            raise ValueError(
                f"{str(path)!r} was written from {'other items' if same else 'another training'} than {bundle!r} "
                "holds; export the bundle again"
            )
    return ScannSearcher(load(path), facts, ids, arrays)
