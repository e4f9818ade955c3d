"""Read a faiss file as the index to explain, and compare its own search with that of its codes."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from poeem.bundle import Bundle
from poeem.engines.faiss.index_file import UNPROVEN
from poeem.engines.faiss.read import from_faiss
from poeem.engines.faiss.searcher import FaissSearcher, open_engine
from poeem.evaluation.neighbours import exact_neighbours
from poeem.evaluation.recall import neighbour_share
from poeem.explain import refits
from poeem.explain.faiss_assigned import rows_assigned_by_faiss

if TYPE_CHECKING:
    from poeem.explain.workload import Workload

# The search of the file and of its codes must agree on a sample of queries. Ties cause small differences.
_QUERIES, _K, _AGREE = 32, 10, 0.95


@dataclass(frozen=True, eq=False)
class FaissSource:
    """The contents of a faiss file.

    Args:
        bundle: arrays and rows of the file, with the query adapter of the bundle that the file was written from.
        nprobe: stored number of lists visited; None for a flat index.
        searcher: searches the file itself.
    """

    bundle: Bundle
    nprobe: int | None
    searcher: FaissSearcher

    def notes(self, workload: Workload) -> list[str]:
        """Return sentences that say how the file's own search differs from a search of its codes and lists."""
        parts = self.searcher.parts
        notes = [] if self.searcher.proven else [UNPROVEN]
        if parts.refines:
            notes.append("the file re-ranks its candidates by vectors; the codes that select them are explained")
        if parts.fastscan:
            notes.append(
                "the file is FastScan: it scores these codes with 8-bit tables, a little less exactly than here"
            )
        if workload.bundle.spec.kind == "RQ" and hasattr(parts.inner, "pq"):
            added = len(rows_assigned_by_faiss(workload.bundle, workload.prepared_items))
            if added:
                notes.append(
                    f"{added:,} rows have the codes that faiss's own add gives, which are wrong in an additive index: "
                    "add them by open_engine, or to the bundle, and export it again"
                )
        if parts.refines or parts.fastscan or self.nprobe is None:
            return notes
        queries = workload.queries.vectors[:_QUERIES].astype(np.float32)
        k = min(_K, len(workload.bundle))
        _, file_ids = self.searcher.search_stored(queries, k, workload.nprobe)
        adapter = workload.bundle.arrays.get("query_adapter")
        scorer = refits.bundle_scorer(workload.bundle, workload.nprobe)
        scores = scorer.scores(queries if adapter is None else queries @ adapter)
        code_ids = np.asarray(workload.bundle.int64_ids)[exact_neighbours(scores, k)]
        shared = float(neighbour_share(file_ids, code_ids).mean())
        if shared < _AGREE:
            notes.append(
                f"the file's own search finds {shared:.0%} of the items that its codes and lists give here: its "
                "quantizer visits other lists, or it was changed by hand. These figures may be wrong for it"
            )
        return notes


def read_faiss_source(path: str | Path, origin: Bundle | None, *, check: bool = True) -> FaissSource:
    """Read a faiss file, and check it against the bundle it was written from.

    Args:
        path: the file.
        origin: the bundle; None if it is not known.
        check: True compares the whole file with the checksum in its report, False a sample of its blocks.
    Returns:
        the contents. With ``origin`` its rows are in the order of ``origin``, with the ids and the query adapter of
        ``origin``; otherwise in the order of the file.
    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is of another training, or of a kind that cannot be read.
    """
    searcher = open_engine(path, origin, check=check)
    contents = from_faiss(path, check=False)
    arrays, ids = dict(contents.arrays), contents.ids
    if origin is not None:
        if "query_adapter" in origin.arrays:
            arrays["query_adapter"] = origin.arrays["query_adapter"]
        if origin.string_ids and ids.dtype != object:
            stored = dataclasses.replace(origin, ids=origin.int64_ids)
            ids = origin.ids[stored.row_of(ids)]
    bundle = refits.in_memory_bundle(contents.spec, contents.metric, arrays, contents.codes, contents.lists, ids)
    if origin is not None:
        # Vectors of a bundle's items are given in the order of the bundle.
        rows = bundle.row_of(origin.ids)
        lists = None if bundle.lists is None else bundle.lists[rows]
        bundle = refits.in_memory_bundle(
            contents.spec, contents.metric, arrays, bundle.codes[rows], lists, origin.ids, dict(origin.training)
        )
    return FaissSource(bundle, contents.nprobe, searcher)
