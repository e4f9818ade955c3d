"""Table of the subject *images*: mAP@1000 of the joint index and of what it is compared with, by bits."""

from __future__ import annotations

from collections.abc import Iterable

from benchmarks.markdown import table
from benchmarks.read import Results, Run, mean, number_of_seeds

BITS = (64, 32, 16)
# Name of a line, the row (with the bits), the block of it.
LINES = (
    ("index, trained jointly", "joint-{bits}", "index"),
    ("its float vectors", "joint-{bits}", "float"),
    ("codes on both sides", "joint-{bits}", "symmetric"),
    ("PQ built on these vectors", "joint-{bits}", "pq"),
    ("OPQ built on these vectors", "joint-{bits}", "opq"),
    ("ITQ built on these vectors", "joint-{bits}", "itq"),
    ("LSH built on these vectors", "joint-{bits}", "lsh"),
    ("contrastive training, then PQ", "afterwards-{bits}", "pq"),
    ("contrastive training, then OPQ", "afterwards-{bits}", "opq"),
    ("contrastive training, then ITQ", "afterwards-{bits}", "itq"),
    ("contrastive training, then LSH", "afterwards-{bits}", "lsh"),
    ("its float vectors", "afterwards-{bits}", "float"),
    ("raw pixels, exact", "pixels-{bits}", "float"),
    ("raw pixels, OPQ", "pixels-{bits}", "opq"),
    ("raw pixels, ITQ", "pixels-{bits}", "itq"),
    ("raw pixels, PQ", "pixels-{bits}", "pq"),
)
ABLATIONS = (
    ("cross-quantized loss, soft codewords, PQ16x4", "joint-64"),
    ("hard codewords (straight-through)", "hard-64"),
    ("plain contrastive loss, the index learns by its distortion", "afterwards-64"),
    ("PQ2x4 (8 bits)", "pq-8"),
    ("one codebook, PQ1x8 (8 bits)", "vq-8"),
)


def images(results: Results) -> str:
    """Two tables, by bits and of the ablations."""
    runs = results.runs("fashion_mnist")
    if not runs:
        return ""
    measured = [bits for bits in BITS if any(f"-{bits}" in row for run in runs for row in run["rows"])]
    lines = []
    for name, row, block in LINES:
        cells = [_cell(runs, row.format(bits=bits), block) for bits in measured]
        if any(cells):
            lines.append((name, *cells))
    settings = runs[0]["settings"]
    passes = "1 epoch" if settings["epochs"] == 1 else f"{settings['epochs']:g} epochs"
    title = f"mAP@1000, {settings['queries']:,} queries, {passes}, {number_of_seeds(len(runs))}"
    tables = [table(title, ("", *(f"{bits} bits" for bits in measured)), lines)]
    ablations = [(name, cell) for name, row in ABLATIONS if (cell := _cell(runs, row, "index"))]
    if len(ablations) > 1:
        tables.append(table("Ablations, mAP@1000 of the index", ("", ""), ablations))
    return "\n\n".join(tables)


def _cell(runs: Iterable[Run], row: str, block: str) -> str:
    values = [run["rows"][row][block]["map@1000"] for run in runs if block in run["rows"].get(row, {})]
    return mean(values, 3) if values else ""
