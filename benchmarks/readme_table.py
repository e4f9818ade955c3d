"""The README's table of figures, one line each, from `benchmarks/results`; what has no results yet is left out."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from typing import Any

from blocks import row, rule
from results_of import records, runs, seeds
from speed_table import headline

HEAD = (
    "Mean of the seeds that are said. RQ refined: faiss's with `Train_refine_codebook` and a beam of 8, which no\n"
    "factory string asks for. One thread; processors stand with the results."
)
Run = dict[str, Any]


def readme_table() -> str:
    """Head and table."""
    lines = [row(name, value) for name, value in _lines()]
    return "\n".join([HEAD, "", "| | |", rule(2), *lines])


def _lines() -> Iterator[tuple[str, str]]:
    for kind, specs in (("additive", ("RQ8", "RQ4")), ("history", ("OPQ8,PQ8", "OPQ4,PQ4"))):
        for spec in specs:
            found = [run["specs"][spec] for run in runs(f"movielens-{kind}-[0-9]*.json") if spec in run["specs"]]
            if found:
                yield from _interactions(f"MovieLens-1M, `{spec}`", found)
    sizes = runs("opq_sizes-*.json")
    if sizes:
        specs = ("OPQ8,PQ8", "OPQ16,PQ16x6", "OPQ16,PQ16")
        kept = [
            _mean(sizes, lambda run, spec=spec: run["opq"][spec]["recall@100"] / run["float"]["recall@100"])
            for spec in specs
        ]
        yield f"OPQ built afterwards / float, 8 / 12 / 16 bytes{_seeds(sizes)}", " / ".join(f"{v:.3f}" for v in kept)
    for spec in ("RQ8", "RQ4"):
        found = [run["specs"][spec] for run in runs("journey-*.json") if spec in run["specs"]]
        if found:
            yield from _interactions(f"Complete Journey (baskets), `{spec}`", found)
    floats = [_float_ndcg(tower) for tower in ("history", "sequence")]
    if all(floats):
        yield "float model, NDCG@10, history tower / sequence tower", " / ".join(f"{one:.3f}" for one in floats)
    yield from _frozen()
    yield from _fit_time()
    yield from headline("debian")
    yield from headline("debian_32")
    versions = runs("stability-*.json")
    if versions:
        kept = [
            _mean(versions, lambda run, metric=metric: _kept(run["rows"], "stability 4", metric))
            for metric in ("recall@100", "ndcg@10")
        ]
        share = _mean(versions, lambda run: run["rows"]["stability 4"]["changed_share"])
        title = (
            "a new version by `--from OLD --stability 4`: recall@100, NDCG@10 / those of one trained afresh for the "
            "steps of both; rows rewritten"
        )
        yield f"{title}{_seeds(versions)}", f"{kept[0]:.3f}, {kept[1]:.3f}; {100 * share:.1f} %"
    tutorial = runs("tutorial-*.json")
    if tutorial:
        name = "poeem OPQ8,IVF8,PQ8, nprobe 1"
        value = _mean(tutorial, lambda run: run["rows"][name]["precision@100"])
        title = "the original's tutorial, `OPQ8,IVF8,PQ8` at nprobe 1, P@100 (published Poeem .9805, faiss .9610)"
        yield f"{title}{_seeds(tutorial)}", f"{value:.4f}"
    steps = runs("step_overhead-*.json")
    if steps:
        values = {tower: _mean(steps, lambda run, tower=tower: _wall(run, tower)) for tower in ("history", "sequence")}
        title = "training step with `OPQ8,IVF64,PQ8` / with an identity, batch 1024, history / sequence tower"
        yield f"{title}{_seeds(steps)}", " / ".join(f"{value:.2f}" for value in values.values())
    encode = runs("encode-*.json")
    if encode:
        values = [_mean(encode, lambda run, name=name: run["rows"][name]["ratio"]) for name in encode[0]["rows"]]
        names = " / ".join(f"{name.replace(', ', ' `', 1)}`" for name in encode[0]["rows"])
        title = f"encode, rows/s / those of faiss's `sa_encode`, {names}"
        yield f"{title}{_seeds(encode)}", " / ".join(f"{value:.2f}" for value in values)
    written = runs("export_speed-*.json")
    if written:
        title = "1,000,000 x 64 from the bundle to a self-checked {} / encoding counted too: time of {} / ours"
        for engine, words in (
            ("faiss", ("faiss file", "faiss train + add")),
            ("lance", ("Lance dataset", "Lance's own")),
        ):
            keys = ("export_ratio", "encode_and_export_ratio")
            ratios = [_mean(written, lambda run, e=engine, key=key: run["engines"][e][key]) for key in keys]
            yield f"{title.format(*words)}{_seeds(written)}", " / ".join(f"{ratio:.1f}" for ratio in ratios)
    givens = runs("givens-*.json")
    if givens:
        value = _mean(givens, lambda run: next(r["svd_over_greedy"] for r in run["rows"] if r["dim"] == 512))
        yield f"SVD of 512 x 512 / a greedy Givens step{_seeds(givens)}", f"{value:.1f}"


def _interactions(title: str, found: list[Run]) -> Iterator[tuple[str, str]]:
    size = found[0]["bytes_per_vector"]
    kept = _mean(found, lambda run: run["index"]["recall@100"] / run["float"]["recall@100"])
    yield f"{title} ({size} bytes): index recall@100 / float{_seeds(found)}", f"{kept:.3f}"
    # The last one only where all runs have it.
    others = {"opq": "OPQ", "rq": "RQ", "rq-refined": "RQ refined"}
    others = {name: said for name, said in others.items() if all(name in run["baselines"] for run in found)}
    for metric, words in (("recall@100", ""), ("ndcg@10", ", NDCG@10")):
        gains = [
            statistics.fmean(run["index"][metric] / run["baselines"][other][metric] - 1 for run in found)
            for other in others
        ]
        yield (
            f"the same{words}, over {', '.join(others.values())}, built afterwards",
            ", ".join(f"{100 * gain:+.1f} %" for gain in gains),
        )


def _frozen() -> Iterator[tuple[str, str]]:
    by_cell: dict[tuple[str, int], list[float]] = {}
    for record in records("debian", "frozen"):
        if not record["nlist"] and not record["rescore"]:
            by_cell.setdefault((record["method"], record["bytes_per_vector"]), []).append(record["recall@100"])
    exact = [statistics.fmean(values) for (method, _), values in by_cell.items() if method == "float"]
    names = {
        "poeem-rq": "text embeddings (Debian, 384 floats), label-free, recall@100 of `poeem fit`, `RQ`",
        "poeem-pq": "the same, `OPQ,PQ`",
        "opq": "the same, OPQ by faiss",
        "rq": "the same, RQ by faiss",
        "rq-refined": "the same, RQ by faiss, refined",
        "scann": "the same, ScaNN",
        "poeem-rq-labels": "the same, `poeem fit` with labels, `RQ`",
        "poeem-pq-labels": "the same with labels, `OPQ,PQ`",
        "poeem-adapter": "the same, an untouched OPQ index with our query matrix, label-free",
    }
    for method, title in names.items():
        cells = {size: values for (name, size), values in sorted(by_cell.items()) if name == method}
        if cells:
            sizes = " / ".join(map(str, cells))
            found = " / ".join(f"{statistics.fmean(values):.3f}".removeprefix("0") for values in cells.values())
            float_too = f"; float {exact[0]:.3f}".replace(" 0.", " .") if exact and method == "poeem-rq" else ""
            counts = [len(values) for values in cells.values()]
            said = seeds(counts[0]) if len(set(counts)) == 1 else f"{' / '.join(map(str, counts))} seeds"
            yield f"{title}, {sizes} bytes ({said}{float_too})", found


def _fit_time() -> Iterator[tuple[str, str]]:
    seconds = {(one["method"], one["seed"]): one["build_seconds"] for one in records("debian", "fit_time")}
    ratios = [seconds["poeem-rq", seed] / of_opq for (method, seed), of_opq in seconds.items() if method == "opq"]
    if ratios:
        title = "the same, 8 bytes, time of `poeem fit`, its exact search included / of faiss's OPQ, run by turns"
        yield f"{title}{_seeds(ratios)}", f"{statistics.fmean(ratios):.2f}"


def _float_ndcg(tower: str) -> float | None:
    found = {run["seed"]: run["float"] for run in runs(f"float-{tower}-*.json")}
    for run in runs(f"movielens-{tower}-[0-9]*.json"):
        found.setdefault(run["seed"], next(iter(run["specs"].values()))["float"])
    return statistics.fmean(block["ndcg@10"] for block in found.values()) if found else None


def _kept(rows: dict[str, Run], way: str, metric: str) -> float:
    return rows[way]["index"][metric] / rows["afresh, steps of both"]["index"][metric]


def _wall(run: Run, tower: str) -> float:
    return next(one["wall_ratio"] for one in run["results"] if one["tower"] == tower)


def _mean(found: list[Run], value: Callable[[Run], float]) -> float:
    return statistics.fmean(value(run) for run in found)


def _seeds(found: list[Any]) -> str:
    return f" ({seeds(len(found))})"
