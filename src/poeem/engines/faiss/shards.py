"""Search several faiss files of the same training as one index."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from poeem.engines.faiss.searcher import FaissSearcher, open_engine
from poeem.engines.report import read_report


class ShardedSearcher:
    """Searches several indexes and merges the results, as if one index held all rows.

    Args:
        shards: searchers of the same metric and width. No id is in two of them.
    Raises:
        ValueError: there are no shards, or they differ in metric or width.
    """

    def __init__(self, shards: Sequence[FaissSearcher]) -> None:
        if not shards:
            raise ValueError("shards are empty; name at least one faiss file")
        if len({(shard.metric, shard.dim) for shard in shards}) > 1:
            found = ", ".join(f"{shard.metric} at dim={shard.dim}" for shard in shards)
            raise ValueError(f"shards must be of one metric and width, not {found}")
        self.shards = list(shards)
        self.metric, self.dim = shards[0].metric, shards[0].dim

    def __len__(self) -> int:
        return sum(map(len, self.shards))

    def search(self, queries: Any, k: int, nprobe: int | None = None, **chosen: Any) -> tuple[np.ndarray, np.ndarray]:
        """Find the best items of every query over all shards. Equal scores are in the order of the shards.

        Arguments, results and errors as for `FaissSearcher.search`; ``chosen`` is its ``only`` or ``exclude``.
        """
        found = [shard.search(queries, k, nprobe, **chosen) for shard in self.shards]
        scores, ids = (np.concatenate(arrays, axis=1) for arrays in zip(*found))
        order = np.argsort(scores if self.metric == "l2" else -scores, axis=1, kind="stable")[:, :k]
        return np.take_along_axis(scores, order, axis=1), np.take_along_axis(ids, order, axis=1)

    def range_search(
        self, queries: Any, threshold: float, nprobe: int | None = None, **chosen: Any
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the results of `FaissSearcher.range_search` over all shards; ``chosen``: ``only`` or ``exclude``."""
        found = [shard.range_search(queries, threshold, nprobe, **chosen) for shard in self.shards]
        query = np.concatenate([np.repeat(np.arange(len(limits) - 1), np.diff(limits)) for limits, _, _ in found])
        scores, ids = (np.concatenate([part[i] for part in found]) for i in (1, 2))
        order = np.lexsort((scores if self.metric == "l2" else -scores, query))
        limits = np.searchsorted(query[order], np.arange(len(found[0][0])))
        return limits, scores[order], ids[order]


def open_shards(paths: Sequence[str | Path], *, memory_map: bool = False, check: bool = True) -> ShardedSearcher:
    """Open exported faiss files, and return a searcher over all of them.

    Args:
        paths: files with their reports beside them and integer ids. No id is in two files.
        memory_map, check: as for `open_engine`.
    Raises:
        FileNotFoundError: a file or its report does not exist.
        ValueError: the files are of different trainings, or a file needs its bundle.
    """
    fingerprints = {str(path): read_report(Path(path))["fingerprint"] for path in paths}
    if len(set(fingerprints.values())) > 1:
        found = ", ".join(f"{path} ({fingerprint[:12]})" for path, fingerprint in fingerprints.items())
        raise ValueError(
            f"shards are of different trainings, their scores cannot be compared: {found}; export them again"
        )
    return ShardedSearcher([open_engine(path, memory_map=memory_map, check=check) for path in paths])
