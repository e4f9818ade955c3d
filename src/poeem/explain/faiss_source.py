"""A stock faiss file as a case sees it, and whether that is what the file does."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from poeem.bundle import Bundle
from poeem.engines.faiss.index_file import UNPROVEN
from poeem.engines.faiss.read import from_faiss
from poeem.engines.faiss.searcher import FaissSearcher, open_engine
from poeem.evaluation.neighbours import exact_neighbours
from poeem.explain import refits

if TYPE_CHECKING:
    from poeem.explain.workload import Workload

# A sample of searches that file and case must agree on; equal scores cost a little.
_QUERIES, _K, _AGREE = 32, 10, 0.95


@dataclass(frozen=True, eq=False)
class ServedFile:
    """What a faiss file holds.

    Args:
        bundle: its arrays and rows, with the query adapter of the bundle it was written from.
        nprobe: lists it visits; None for a flat index.
        searcher: the file itself.
    """

    bundle: Bundle
    nprobe: int | None
    searcher: FaissSearcher

    def notes(self, case: Workload) -> list[str]:
        """What is different about the file, in sentences."""
        notes = [] if self.searcher.proven else [UNPROVEN]
        if self.searcher.parts.refines:
            notes.append("the file ranks its candidates again by vectors: explained are the codes that choose them")
        if self.searcher.parts.fastscan:
            notes.append(
                "the file is FastScan: it scores these codes by tables of 8 bits, a little worse than here, and faster "
                "than the times of a target say"
            )
        if self.searcher.parts.refines or self.searcher.parts.fastscan or self.nprobe is None:
            return notes
        queries = np.asarray(case.asked.queries[:_QUERIES], dtype=np.float32)
        k = min(_K, len(case.bundle))
        _, theirs = self.searcher.search_stored(queries, k, case.nprobe)
        adapter = case.bundle.arrays.get("query_adapter")
        scores = refits.scorer_of(case.bundle, case.nprobe).scores(queries if adapter is None else queries @ adapter)
        ours = np.asarray(self._stored_ids(case.bundle))[exact_neighbours(scores, k)]
        shared = float((theirs[:, :, None] == ours[:, None, :]).any(1).mean())
        if shared < _AGREE:
            notes.append(
                f"the file's own search finds {shared:.0%} of what its codes and lists give here (its quantizer visits "
                "other lists, or it was changed by hand): take these figures with care"
            )
        return notes

    def _stored_ids(self, bundle: Bundle) -> Any:
        """The ids that the file holds for the rows of a case."""
        return bundle.int64_ids


def read_served(path: str | Path, origin: Bundle | None) -> ServedFile:
    """Read a faiss file, checked against the bundle it was written from.

    Args:
        path: the file.
        origin: the bundle; None for a file of unknown origin.
    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is of another training, or of a kind that cannot be read back.
    """
    searcher = open_engine(path, origin)
    contents = from_faiss(path, check=False)
    arrays, ids = dict(contents.arrays), contents.ids
    if origin is not None:
        if "query_adapter" in origin.arrays:
            arrays["query_adapter"] = origin.arrays["query_adapter"]
        if origin.string_ids and ids.dtype != object:
            stored = dataclasses.replace(origin, ids=origin.int64_ids)
            ids = origin.ids[stored.row_of(ids)]
    bundle = refits.in_memory(contents.spec, contents.metric, arrays, contents.codes, contents.lists, ids)
    if origin is not None:
        # A bundle's vectors come in the bundle's order.
        rows = bundle.row_of(origin.ids)
        lists = None if bundle.lists is None else bundle.lists[rows]
        bundle = refits.in_memory(
            contents.spec, contents.metric, arrays, bundle.codes[rows], lists, origin.ids, dict(origin.training)
        )
    return ServedFile(bundle, contents.nprobe, searcher)
