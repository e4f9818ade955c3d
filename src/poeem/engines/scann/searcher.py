"""Search ScaNN's files with queries as the towers give them, and with the users' ids."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from poeem.bundle.bundle import Bundle
from poeem.engines.export_facts import ExportFacts
from poeem.engines.probing import check_nprobe
from poeem.engines.queries import any_missing, check_k, prepare_queries
from poeem.engines.scann.assets import load
from poeem.engines.scann.sidecar import FACTS_FILE, read_facts

_LOG2_LENGTH = 20
_LENGTH = np.float32(2**_LOG2_LENGTH)


class ScannSearcher:
    """ScaNN's searcher with ids, rotation and query adapter, which ScaNN's own files cannot hold.

    Args:
        engine: ScaNN's searcher.
        facts: facts about the export.
        ids: int64 or object of str, ``(n,)``.
        arrays: ``rotation`` and ``query_adapter``, if the index has them.
    """

    def __init__(self, engine: Any, facts: ExportFacts, ids: np.ndarray, arrays: Mapping[str, np.ndarray]) -> None:
        self.engine = engine
        self.facts = facts
        self.ids = ids
        self._rotation, self._adapter = arrays.get("rotation"), arrays.get("query_adapter")
        self.metric, self.dim, self.nlist, self.nprobe = facts.metric, facts.dim, facts.nlist, facts.nprobe

    def __len__(self) -> int:
        return len(self.ids)

    def search(self, queries: Any, k: int, nprobe: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Find the best items of every query. Scores are approximate, from ScaNN's 8-bit lookup tables.

        Args:
            queries: ``(nq, dim)``, neither rotated nor normalised.
            k: results per query.
            nprobe: lists visited per query; None takes the stored number.
        Returns:
            scores float32 and ids (int64, or str objects), both ``(nq, k)``, best first. If the visited lists hold
            fewer than k items, the remaining ids are -1 (None for strings) and scores -inf (+inf for ``l2``).
        Raises:
            ValueError: queries of wrong shape, with NaN, or zero under ``cosine``; k or nprobe below 1.
        """
        scores, rows = self.search_rows(queries, k, nprobe)
        ids = self.ids[rows]
        if any_missing(rows):
            ids[rows < 0] = None if ids.dtype == object else -1
        return scores, ids

    def search_rows(self, queries: Any, k: int, nprobe: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Search as `search` does, but return row numbers (int64, -1 if missing) in place of ids."""
        prepared = prepare_queries(queries, self.dim, self.metric, self._adapter)
        k, probes = check_k(k), check_nprobe(nprobe, self.nlist, default=self.nprobe)
        if not len(prepared):
            return np.zeros((0, k), np.float32), np.zeros((0, k), np.int64)
        prepared, factors = _scaled(prepared, self.metric)
        if self._rotation is not None:
            prepared = prepared @ self._rotation
        scores, rows = self._found(prepared, k, probes if self.nlist else -1)
        return (scores if factors is None else scores * factors), rows

    def _found(self, prepared: np.ndarray, k: int, probes: int) -> tuple[np.ndarray, np.ndarray]:
        """What ScaNN finds, with row -1 and the worst score where it finds fewer."""
        if len(prepared) == 1:
            # ScaNN's own call for one query is faster, but gives only what it has found.
            rows, scores = self.engine.search(prepared[0], k, -1, probes)
            if len(rows) == k:
                return scores[None], rows[None].astype(np.int64)
        rows, scores = self.engine.search_batched(prepared, k, None, probes)
        # Past what it has found ScaNN leaves item 0 and NaN.
        rows, missing = rows.astype(np.int64), ~np.isfinite(scores)
        rows[missing], scores[missing] = -1, np.inf if self.metric == "l2" else -np.inf
        return scores, rows


def _scaled(queries: np.ndarray, metric: str) -> tuple[np.ndarray, np.ndarray | np.float32 | None]:
    """Queries of a length of about 2**20, since small scores lose digits in ScaNN's tables; under ``l2`` as they are.

    Returns:
        float32 ``(nq, dim)``, under ``cosine`` of one length; and what scores have to be multiplied by, powers of two,
        float32 ``(nq, 1)`` or one for all; None under ``l2``.

    >>> _scaled(np.float32([[2.0, 0.0], [0.0, 0.0]]), "ip")[0].tolist()
    [[524288.0, 0.0], [0.0, 0.0]]
    """
    if metric == "l2":
        return queries, None
    if metric == "cosine":
        if len(queries) == 1:
            flat = queries.ravel()
            return queries * np.float32(_LENGTH / float(flat.dot(flat)) ** 0.5), 1 / _LENGTH
        return queries * (_LENGTH / np.sqrt(np.einsum("nd,nd->n", queries, queries)))[:, None], 1 / _LENGTH
    # By the exponent of the largest value, which no square can overflow; float32 has none beyond 127.
    exponents = np.frexp(np.abs(queries).max(1, keepdims=True))[1]
    exponents = np.minimum(_LOG2_LENGTH - exponents, 126)
    return np.ldexp(queries, exponents), np.ldexp(np.float32(1), -exponents)


def open_scann(path: str | Path, bundle: Bundle | None = None) -> ScannSearcher:
    """Open an export, whose folder may have moved, and return a searcher. The bundle is not needed.

    Args:
        path: the folder.
        bundle: if given, the export must be of its training and its items.
    Raises:
        FileNotFoundError: there is no export.
        ValueError: the export is damaged, or of another training or other items; or scann is not installed.
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
