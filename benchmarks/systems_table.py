"""The README's table of the three published systems: the command that trains each, and one figure."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from benchmarks.markdown import table
from benchmarks.read import Results

HEAD = ("system", "trained on", "command", "measured here")
Line = tuple[str, str, str, str]


def systems(results: Results) -> str:
    """One line for each system whose figure has been measured."""
    return table("", HEAD, [*poeem(results), *spq(results), *mgdspr(results)])


def poeem(results: Results) -> Iterator[Line]:
    """Poeem: NDCG@10 of the joint index at 4 bytes."""
    rows = [run["rows"]["RQ4"] for run in results.runs("movielens-additive") if "RQ4" in run["rows"]]
    if rows:
        ours, exact = (_share(row[of]["ndcg@10"] for row in rows) for of in ("index", "float"))
        after = _share(row["baselines"]["rq-refined"]["ndcg@10"] for row in rows)
        yield (
            "Poeem (SIGIR 2021)",
            "interactions",
            "`poeem train --interactions`",
            f"MovieLens-1M, 4 bytes: NDCG@10 {ours} (float {exact}, RQ built afterwards {after})",
        )


def spq(results: Results) -> Iterator[Line]:
    """SPQ: mAP@1000 of the joint index at 64 bits."""
    runs = [run for run in results.runs("fashion_mnist") if "joint-64" in run["rows"]]
    on_pixels = [run["rows"]["pixels-64"] for run in runs if "pixels-64" in run["rows"]]
    if on_pixels:
        ours, exact = (_share(run["rows"]["joint-64"][of]["map@1000"] for run in runs) for of in ("index", "float"))
        pixels = _share(row["opq-64"]["map@1000"] for row in on_pixels)
        yield (
            "SPQ (ICCV 2021)",
            "images without labels",
            "`poeem train --images`",
            f"Fashion-MNIST, 8 bytes: mAP@1000 {ours} (float {exact}, OPQ of the pixels {pixels})",
        )


def mgdspr(results: Results) -> Iterator[Line]:
    """MGDSPR: recall@100 of the joint index at 16 bytes."""
    rows = [run["rows"] for run in results.runs("product_search") if "joint, 16 bytes" in run["rows"]]
    if rows:
        ours, words = (_share(row[name]["recall@100"] for row in rows) for name in ("joint, 16 bytes", "BM25"))
        yield (
            "MGDSPR (KDD 2021)",
            "a search log",
            "`poeem train --events`",
            f"Complete Journey, 16 bytes: recall@100 {ours} (BM25 {words})",
        )


def _share(values: Iterator[float]) -> str:
    """The mean as ``.123``."""
    return f"{statistics.fmean(values):.3f}".removeprefix("0")
