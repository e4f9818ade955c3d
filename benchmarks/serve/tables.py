"""The table of the subject *serve*: each figure beside the value it must reach."""

from __future__ import annotations

from typing import Any

from benchmarks.markdown import table
from benchmarks.read import Results

Row = dict[str, Any]


def serve(results: Results) -> str:
    """Throughput, load, swaps, kills, memory, made-up requests and start of ``poeem serve``."""
    runs = results.runs("serve")
    if not runs:
        return ""
    run = runs[0]
    rows, sizes = run["rows"], run["settings"]
    lines = [line for build in (_batches, _loads, _promises, _start) for line in build(rows, sizes)]
    average = max(row["load_average"] for row in rows.values() if "load_average" in row)
    title = (
        f"`poeem serve` on the loopback interface, one search thread, two cores on which other jobs ran too (load "
        f"average up to {average:g}); {sizes['rows']:,} x {sizes['dim']}, `{sizes['spec']}`, where nothing else is said"
    )
    return table(title, ("", "found", "must"), lines)


def _batches(rows: dict[str, Row], sizes: Row) -> list[tuple[str, str, str]]:
    if "batches" not in rows:
        return []
    row, lines = rows["batches"], []
    for name, text in (("json", "JSON"), ("binary", "`.npy`, answers in Arrow")):
        found = f"{row[f'{name}_ratio']:.2f} ({row[f'{name}_qps']:,} against {row['process_qps']:,})"
        lines.append((f"queries/s in batches of 64, {text}, against the engine in the same process", found, "0.8"))
        share = row["process_processor_ms"] / row[f"{name}_processor_ms"]
        lines.append((f"the same, by processor time of a batch, {text}", f"{share:.2f}", ""))
    return lines


def _loads(rows: dict[str, Row], sizes: Row) -> list[tuple[str, str, str]]:
    lines = []
    for what, text in (("", "vectors"), ("users ", "users of the demo, with their tower")):
        names = [f"{what}{kind} {name}" for kind in ("load", "saturated") for name in ("joined", "one by one")]
        if not all(name in rows for name in names):
            continue
        joined, single, full, one = (rows[name] for name in names)
        for bound in (20, 200):
            rates = joined[f"rate_{bound}_ms"], single[f"rate_{bound}_ms"]
            ratio = f"{rates[0] / rates[1]:.1f} ({rates[0]} against {rates[1]})" if all(rates) else "not reached"
            label = f"single searches/s at a p99 of {bound} ms, {text}: joined against one by one"
            lines.append((label, ratio, "1.5" if bound == 20 else ""))
        found = f"{full['qps'] / one['qps']:.1f} ({full['qps']:,.0f} against {one['qps']:,.0f})"
        lines.append((f"single searches/s of 32 clients, {text}: joined against one by one", found, ""))
        share = one["processor_ms"] / full["processor_ms"]
        found = f"{share:.1f} ({one['processor_ms']:.2f} against {full['processor_ms']:.2f} ms)"
        lines.append((f"processor time of such a search, {text}: one by one against joined", found, ""))
    return lines


def _promises(rows: dict[str, Row], sizes: Row) -> list[tuple[str, str, str]]:
    lines = []
    if "swaps" in rows:
        row = rows["swaps"]
        text = f"failed; mixed answers of {row['answers']:,} during {row['swaps']:,} swaps"
        lines.append((text, f"{row['failed']}; {row['mixed']}", "0; 0"))
        lines.append((f"memory after {row['swaps']:,} swaps", f"{row['memory_growth']:+.1%}", ""))
    kills = [row for name, row in rows.items() if name.startswith("kills ")]
    if kills:
        total = {key: sum(row[key] for row in kills) for key in kills[0]}
        text = f"lost; doubled items of {total['acknowledged']:,} acknowledged changes, {total['kills']} `kill -9`"
        lines.append((text, f"{total['lost'] + total['unknown']}; {total['doubled']}", "0; 0"))
    if "memory" in rows:
        row = rows["memory"]
        lines.append((f"memory after {row['requests']:,} searches", f"{row['growth']:+.1%}", "+2 % at most"))
    made_up = [row["answers"] for name, row in rows.items() if name.startswith("made_up ")]
    if made_up:
        cases = sum(sum(answers.values()) for answers in made_up)
        faults = sum(count for answers in made_up for name, count in answers.items() if name.split()[-1][0] == "5")
        text = f"answers with 5xx, or that the OpenAPI document lacks, of {cases:,} made-up requests"
        lines.append((text, str(faults), "0"))
    return lines


def _start(rows: dict[str, Row], sizes: Row) -> list[tuple[str, str, str]]:
    if "start" not in rows:
        return []
    row = rows["start"]
    found = f"{row['seconds']:.1f} s, {row['processor_seconds']:.1f} s of the processor"
    return [("from the start of the process until it is ready", found, "5 s")]
