"""Tables of the subject *bulk*: encoding of many rows, and predictions of `poeem plan` beside measurements."""

from __future__ import annotations

from benchmarks.markdown import table
from benchmarks.read import Results, Run
from poeem.plan.model import index_bytes, search_time
from poeem.plan.needs import Assumptions, Needs


def bulk(results: Results) -> str:
    """Memory, time and repeated work of the encoding, and of the merge."""
    runs = results.runs("bulk")
    if not runs:
        return ""
    run = runs[0]
    lines = []
    for name, row in run["rows"].items():
        redone = f"{row['complete_parts_repeated']} of {row['parts']} parts" if "parts" in row else ""
        speed = f"{row['rows_per_second']:,.0f}" if "rows_per_second" in row else ""
        equal = f"{row['equal_codes']:.0%}" if "equal_codes" in row else "checked by the export"
        lines.append((name, f"{row['peak_mib']:,.0f}", f"{row['seconds']:,.0f}", speed, redone, equal))
    settings = run["settings"]
    kills = settings["kills"]
    title = (
        f"{settings['rows']:,} x {settings['dim']} from 10 Parquet files, `{settings['spec']}`; the first encoding was "
        f"killed {kills} times with SIGKILL"
    )
    head = (
        "",
        "peak MiB",
        "seconds",
        "rows/s",
        "complete parts encoded again",
        "codes equal to one call",
    )
    return table(title, head, lines)


def plan(results: Results) -> str:
    """Times and bytes of indexes that `poeem plan` was not fitted to, beside its predictions."""
    runs = results.runs("plan_figures")
    if not runs:
        return ""
    lines = [
        line for name in ("check, the same rows, PQ16", "check, more rows, PQ16") for line in _check(runs[0], name)
    ]
    title = "Predicted by `poeem plan` and measured: 16 bytes, 64 dimensions, one thread"
    return table(title, ("rows", "lists", "", "predicted", "measured", "predicted / measured"), lines)


def _check(run: Run, name: str) -> list[tuple[object, ...]]:
    row, settings = run["rows"][name], run["settings"]
    rows = settings["rows" if "same" in name else "check_rows"]
    needs = Needs(rows=str(rows), bytes=16, dim=settings["dim"])
    # The lists of the measurement are even.
    even = Assumptions(imbalance=1.0)
    nlist, lines = row["nlist"], []
    for nprobe, measured in row["ms"].items():
        time = search_time(rows, nlist, int(nprobe), needs, even)
        lines.append(_line(rows, nlist, f"ms per query, nprobe {nprobe}", time.fixed + time.scan, measured, "{:.3f}"))
    for kind in ("memory", "file"):
        predicted = index_bytes(rows, nlist, needs, even, kind) / 1e6
        lines.append(_line(rows, nlist, f"{kind}, MB", predicted, row[f"{kind}_bytes_per_row"] * rows / 1e6, "{:,.0f}"))
    return lines


def _line(rows: int, nlist: int, name: str, predicted: float, measured: float, shape: str) -> tuple[object, ...]:
    ratio = f"{predicted / measured:.2f}"
    return f"{rows:,}", f"{nlist:,}", name, shape.format(predicted), shape.format(measured), ratio
