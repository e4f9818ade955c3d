"""Tables of the subject *speed*: a training step, encoding, a step of the rotation, whole commands."""

from __future__ import annotations

from benchmarks.markdown import table
from benchmarks.read import Results, mean

# Name of the results, figure of a row, title.
RATIOS = (
    ("step_overhead", "wall_ratio", "Training step with OPQ8,IVF64,PQ8 / with an identity, wall time"),
    ("encode", "ratio", "Encode, rows/s / those of faiss"),
    ("encode_additive", "ratio", "Encode additive codes, beam 8, rows/s / those of faiss's residual quantizer"),
    ("givens", "svd_over_greedy", "SVD time / Givens step (greedy)"),
)


def speed(results: Results) -> str:
    """One table of ratios per script."""
    return "\n\n".join(ratios(results, name, figure, title) for name, figure, title in RATIOS if results.runs(name))


def scan(results: Results) -> str:
    """Time and recall of additive and product codes of 8 bytes, flat and with lists."""
    runs = results.runs("scan")
    if not runs:
        return ""
    figures = ("single_ms", "single_ms_ratio", "batch_ms", "batch_ms_ratio", "recall_10_at_10", "recall_10_at_100")
    lines = [
        (
            name,
            *(f"{mean([run['rows'][name][figure] for run in runs])}" for figure in figures),
            f"{row['score_error']:.0e}",
        )
        for name, row in runs[0]["rows"].items()
    ]
    settings = runs[0]["settings"]
    title = f"{settings['rows']:,} x 64, 8 bytes, k 100; {settings['nlist']:,} lists, nprobe {settings['nprobe']}"
    heads = ("ms, single", "/ PQ8", "ms, batch of 64", "/ PQ8", "recall 10@10", "10@100", "score error")
    return table(title, ("", *heads), lines)


def ratios(results: Results, name: str, figure: str, title: str) -> str:
    """A figure of all rows, over the seeds."""
    runs = results.runs(name)
    lines = []
    for row in runs[0]["rows"]:
        values = [run["rows"][row][figure] for run in runs if row in run["rows"]]
        lines.append((row, mean(values), len(values)))
    return table(title, ("", "", "seeds"), lines)


def commands(results: Results) -> str:
    """Time and memory of whole commands."""
    runs = results.runs("commands")
    if not runs:
        return ""
    rows = runs[0]["rows"]
    lines = [
        (name, f"{row['seconds']:.2f}", f"{row['cpu_seconds']:.2f}", f"{row['peak_MiB']:.0f}")
        for name, row in rows.items()
    ]
    return table("", ("command", "seconds", "of the processor", "peak MiB"), lines)
