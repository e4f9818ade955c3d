"""The long table of all headline figures, a line per figure; a line without results is left out."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from itertools import chain

from benchmarks.frozen.speed_at_recall import speed_headlines
from benchmarks.interactions.tables import float_ndcg
from benchmarks.markdown import table
from benchmarks.read import Results, Run, number_of_seeds

HEAD = (
    "Means over the seeds. RQ refined: faiss's RQ with `Train_refine_codebook` and a beam of 8, which no factory\n"
    "string sets. One thread; the processors are in the result files.\n"
)
Line = tuple[str, str]


def headlines(results: Results) -> str:
    """Head and table."""
    groups = (interactions, frozen, versions, tutorial, speed)
    lines = chain.from_iterable(group(results) for group in groups)
    return f"{HEAD}\n{table('', ('', ''), lines)}"


def interactions(results: Results) -> Iterator[Line]:
    """The trained index on MovieLens-1M and Complete Journey, and the float models."""
    for name, specs, data in (
        ("movielens-additive", ("RQ8", "RQ4"), "MovieLens-1M"),
        ("movielens-history", ("OPQ8,PQ8", "OPQ4,PQ4"), "MovieLens-1M"),
    ):
        yield from _joint(results.runs(name), specs, data)
    sizes = results.runs("opq_sizes")
    if sizes:
        kept = [
            _mean(sizes, lambda run, spec=spec: run["rows"][spec]["recall@100"] / run["rows"]["float"]["recall@100"])
            for spec in ("OPQ8,PQ8", "OPQ16,PQ16x6", "OPQ16,PQ16")
        ]
        yield f"post-hoc OPQ / float, 8 / 12 / 16 bytes{_seeds(sizes)}", " / ".join(f"{v:.3f}" for v in kept)
    yield from _joint(results.runs("journey"), ("RQ8", "RQ4"), "Complete Journey (baskets)")
    floats = [float_ndcg(results, tower) for tower in ("history", "sequence")]
    if all(floats):
        values = " / ".join(f"{statistics.fmean(found):.3f}" for found in floats)
        yield "float model, NDCG@10, history tower / sequence tower", values


def _joint(runs: list[Run], specs: tuple[str, ...], data: str) -> Iterator[Line]:
    for spec in specs:
        rows = [run["rows"][spec] for run in runs if spec in run["rows"]]
        if not rows:
            continue
        kept = _mean(rows, lambda row: row["index"]["recall@100"] / row["float"]["recall@100"])
        size = rows[0]["bytes_per_vector"]
        yield f"{data}, `{spec}` ({size} bytes): index recall@100 / float{_seeds(rows)}", f"{kept:.3f}"
        # A baseline that only some runs have is left out.
        others = {"opq": "OPQ", "rq": "RQ", "rq-refined": "RQ refined"}
        others = {key: name for key, name in others.items() if all(key in row["baselines"] for row in rows)}
        for metric, suffix in (("recall@100", ""), ("ndcg@10", ", NDCG@10")):
            gains = [
                statistics.fmean(row["index"][metric] / row["baselines"][key][metric] - 1 for row in rows)
                for key in others
            ]
            yield (
                f"the same{suffix}, over post-hoc {', '.join(others.values())}",
                ", ".join(f"{100 * gain:+.1f} %" for gain in gains),
            )


def frozen(results: Results) -> Iterator[Line]:
    """Recall on the Debian descriptions by bytes, time of a fit, queries per second at equal recall."""
    by_cell: dict[tuple[str, int], list[float]] = {}
    for record in results.bench("debian", "frozen"):
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
        "poeem-adapter": "the same, an unchanged OPQ index with our query matrix, label-free",
    }
    for method, title in names.items():
        cells = {size: values for (name, size), values in sorted(by_cell.items()) if name == method}
        if cells:
            sizes = " / ".join(map(str, cells))
            found = " / ".join(f"{statistics.fmean(values):.3f}".removeprefix("0") for values in cells.values())
            float_too = f"; float {exact[0]:.3f}".replace(" 0.", " .") if exact and method == "poeem-rq" else ""
            counts = [len(values) for values in cells.values()]
            seeds = number_of_seeds(counts[0]) if len(set(counts)) == 1 else f"{' / '.join(map(str, counts))} seeds"
            yield f"{title}, {sizes} bytes ({seeds}{float_too})", found
    seconds = {(one["method"], one["seed"]): one["build_seconds"] for one in results.bench("debian", "fit_time")}
    ratios = [seconds["poeem-rq", seed] / of_opq for (method, seed), of_opq in seconds.items() if method == "opq"]
    if ratios:
        title = "the same, 8 bytes, time of `poeem fit` with its exact search / of faiss's OPQ, alternated"
        yield f"{title}{_seeds(ratios)}", f"{statistics.fmean(ratios):.2f}"
    for data in ("debian", "debian_32"):
        yield from speed_headlines(results, data)


def versions(results: Results) -> Iterator[Line]:
    """A new version of a model."""
    runs = results.runs("stability")
    if runs:
        kept = [_mean(runs, lambda run, metric=metric: _kept(run, metric)) for metric in ("recall@100", "ndcg@10")]
        share = _mean(runs, lambda run: run["rows"]["stability 4"]["changed_share"])
        title = (
            "a new version by `--from OLD --stability 4`: recall@100, NDCG@10 / those of one trained from scratch for "
            "the steps of both; rows rewritten"
        )
        yield f"{title}{_seeds(runs)}", f"{kept[0]:.3f}, {kept[1]:.3f}; {100 * share:.1f} %"


def _kept(run: Run, metric: str) -> float:
    """A metric of stability 4 / that of a training from scratch."""
    rows = run["rows"]
    return rows["stability 4"]["index"][metric] / rows["from scratch, steps of both"]["index"][metric]


def tutorial(results: Results) -> Iterator[Line]:
    """The original's tutorial."""
    runs = results.runs("tutorial")
    if runs:
        value = _mean(runs, lambda run: run["rows"]["poeem OPQ8,IVF8,PQ8, nprobe 1"]["precision@100"])
        title = "the original's tutorial, `OPQ8,IVF8,PQ8` at nprobe 1, P@100 (published Poeem .9805, faiss .9610)"
        yield f"{title}{_seeds(runs)}", f"{value:.4f}"


def speed(results: Results) -> Iterator[Line]:
    """Training step, encoding, export, a step of the rotation."""
    steps = results.runs("step_overhead")
    if steps:
        values = [_mean(steps, lambda run, t=tower: run["rows"][t]["wall_ratio"]) for tower in ("history", "sequence")]
        title = "training step with `OPQ8,IVF64,PQ8` / with an identity, batch 1024, history / sequence tower"
        yield f"{title}{_seeds(steps)}", " / ".join(f"{value:.2f}" for value in values)
    encode = results.runs("encode")
    if encode:
        names = list(encode[0]["rows"])
        values = [_mean(encode, lambda run, name=name: run["rows"][name]["ratio"]) for name in names]
        shown = " / ".join(f"{name.replace(', ', ' `', 1)}`" for name in names)
        yield (
            f"encode, rows/s / those of faiss's `sa_encode`, {shown}{_seeds(encode)}",
            " / ".join(f"{value:.2f}" for value in values),
        )
    written = results.runs("export_speed")
    for engine, file, its_own in (
        ("faiss", "faiss file", "faiss train + add"),
        ("lance", "Lance dataset", "Lance's own"),
    ):
        if written:
            keys = ("export_ratio", "encode_and_export_ratio")
            ratios = [_mean(written, lambda run, e=engine, key=key: run["rows"][e][key]) for key in keys]
            title = (
                f"1,000,000 x 64 from the bundle to a self-checked {file} / encoding included: time of {its_own} / ours"
            )
            yield f"{title}{_seeds(written)}", " / ".join(f"{ratio:.1f}" for ratio in ratios)
    givens = results.runs("givens")
    if givens:
        value = _mean(givens, lambda run: run["rows"]["dim 512"]["svd_over_greedy"])
        yield f"SVD of 512 x 512 / a greedy Givens step{_seeds(givens)}", f"{value:.1f}"


def _mean(rows: list[Run], value: Callable[[Run], float]) -> float:
    return statistics.fmean(map(value, rows))


def _seeds(found: list) -> str:
    return f" ({number_of_seeds(len(found))})"
