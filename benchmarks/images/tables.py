"""Tables of the subject *images*: mAP@1000 by bits, the ablations, the frozen backbone, and the time of a step."""

from __future__ import annotations

from collections.abc import Iterable

from benchmarks.markdown import table
from benchmarks.read import Results, Run, mean, number_of_seeds

BITS = (64, 32, 16)
# Name of a line, the row, the block of it.
LINES = (
    ("index, trained jointly", "joint-{bits}", "index"),
    ("its float vectors", "joint-{bits}", "float"),
    ("codes on both sides", "joint-{bits}", "symmetric"),
    ("PQ built on these vectors", "joint-{bits}", "pq-{bits}"),
    ("OPQ built on these vectors", "joint-{bits}", "opq-{bits}"),
    ("ITQ built on these vectors", "joint-{bits}", "itq-{bits}"),
    ("LSH built on these vectors", "joint-{bits}", "lsh-{bits}"),
    ("contrastive training, then PQ", "contrastive", "pq-{bits}"),
    ("contrastive training, then OPQ", "contrastive", "opq-{bits}"),
    ("contrastive training, then ITQ", "contrastive", "itq-{bits}"),
    ("contrastive training, then LSH", "contrastive", "lsh-{bits}"),
    ("its float vectors", "contrastive", "float"),
    ("raw pixels, PQ", "pixels-{bits}", "pq-{bits}"),
    ("raw pixels, OPQ", "pixels-{bits}", "opq-{bits}"),
    ("raw pixels, ITQ", "pixels-{bits}", "itq-{bits}"),
    ("raw pixels, exact", "pixels-{bits}", "float"),
)
ABLATIONS = (
    ("default: cross-quantized loss, soft codewords, near images, OPQ16,PQ16x4", "joint"),
    ("plain contrastive loss, the index learns by its distortion", "plain"),
    ("hard codewords (straight-through)", "hard"),
    ("both views of the same image", "one-image"),
    ("two codebooks of 16 codewords, PQ2x4 (8 bits)", "pq-8"),
    ("one codebook of 256, PQ1x8 (8 bits)", "vq-8"),
)
FROZEN = (
    ("index on the trained layers, jointly", "trained", "index"),
    ("their float vectors", "trained", "float"),
    ("OPQ built on them", "trained", "opq-64"),
    ("the backbone's features, OPQ", "features", "opq-64"),
    ("the backbone's features, ITQ", "features", "itq-64"),
    ("the backbone's features, PQ", "features", "pq-64"),
    ("the backbone's features, LSH", "features", "lsh-64"),
    ("the backbone's features, exact", "features", "float"),
)
STEPS = (("28 x 28, grey", "grey-28"), ("32 x 32, colour", "colour-32"))


def images(results: Results) -> str:
    """All tables of which there are results."""
    tables = (by_bits(results), frozen(results), ablations(results), step_time(results))
    return "\n\n".join(text for text in tables if text)


def by_bits(results: Results) -> str:
    """From scratch, by bits."""
    runs = results.runs("fashion_mnist")
    if not runs:
        return ""
    lines = []
    for name, row, block in LINES:
        cells = [_cell(runs, row.format(bits=bits), block.format(bits=bits)) for bits in BITS]
        if any(cells):
            lines.append((name, *cells))
    trained = [run["rows"]["joint-64"] for run in runs if "joint-64" in run["rows"]]
    seconds = [row["cpu_seconds"] for row in trained]
    title = f"mAP@1000, {_size(runs)}, {number_of_seeds(len(trained))} at 64 bits"
    if seconds:
        title += f"; a run with its evaluation took {max(seconds) / 60:.0f} processor minutes"
    return table(title, ("", *(f"{bits} bits" for bits in BITS)), lines)


def ablations(results: Results) -> str:
    """One thing changed at a time."""
    runs = results.runs("image_ablations")
    lines = [(name, cell) for name, row in ABLATIONS if (cell := _cell(runs, row, "index"))]
    if not lines:
        return ""
    title = f"mAP@1000 of the index, {_size(runs)}, {runs[0]['settings']['steps']} steps, {number_of_seeds(len(runs))}"
    return table(title, ("", ""), lines)


def frozen(results: Results) -> str:
    """Layers on a frozen backbone."""
    runs = results.runs("image_frozen")
    lines = [(name, cell) for name, row, block in FROZEN if (cell := _cell(runs, row, block))]
    return table(f"mAP@1000, 64 bits, {_size(runs)}, {number_of_seeds(len(runs))}", ("", ""), lines) if lines else ""


def step_time(results: Results) -> str:
    """Time of the random views."""
    runs = results.runs("image_step")
    lines = [
        (name, *(f"{1000 * row[of]:.1f}" for of in ("step_seconds", "views_seconds")), f"{100 * row['share']:.0f} %")
        for run in runs[:1]
        for name, key in STEPS
        if (row := run["rows"].get(key))
    ]
    head = ("", "step", "of it both views", "share")
    return table("A step on 256 images, network `strided`: processor ms, one thread", head, lines) if lines else ""


def _size(runs: list[Run]) -> str:
    settings = runs[0]["settings"]
    return f"{settings['images']:,} images, {settings['queries']:,} queries"


def _cell(runs: Iterable[Run], row: str, block: str) -> str:
    values = [run["rows"][row][block]["map@1000"] for run in runs if block in run["rows"].get(row, {})]
    return mean(values, 3) if values else ""
