"""Self-contained HTML pages with pictures: the results of a search, and the report of a training."""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; color: #24292b; }
h1 { font-size: 1.35rem; } h2 { font-size: 1.05rem; margin: 1.8rem 0 .5rem; }
.row { display: flex; flex-wrap: wrap; gap: .6rem; align-items: flex-start; margin: .4rem 0; }
.row > b { width: 5.2rem; padding-top: 1.6rem; font-weight: 600; }
figure { margin: 0; width: 5.6rem; } figure img { width: 5.6rem; height: 5.6rem; object-fit: contain;
  background: #f0f1f1; border: 2px solid #d5d9da; border-radius: 4px;
  image-rendering: pixelated; box-sizing: border-box; }
figure.query img { border-color: #4a5657; } figure.same img { border-color: #00725a; }
figure.other img { border-color: #d9776c; }
figcaption { font-size: 11px; color: #4a5657; overflow-wrap: anywhere; line-height: 1.25; margin-top: 2px; }
table { border-collapse: collapse; } td, th { padding: .2rem .9rem .2rem 0; text-align: right; } th:first-child,
td:first-child { text-align: left; }
p.note { color: #4a5657; }
"""


@dataclass(frozen=True)
class Picture:
    """A picture with the lines below it.

    Args:
        file: bytes of a PNG or JPEG file; None shows an empty frame.
        lines: text.
        kind: ``query``, ``same`` or ``other`` (class), which gives the frame its colour; empty for none.
    """

    file: bytes | None
    lines: Sequence[str]
    kind: str = ""

    def html(self) -> str:
        """Return the HTML of the figure; lines are escaped."""
        image = f'<img alt="{html.escape(self.lines[0] if self.lines else "")}"'
        if self.file is not None:
            kind = "png" if self.file.startswith(b"\x89PNG") else "jpeg"
            image += f' src="data:image/{kind};base64,{base64.b64encode(self.file).decode()}"'
        lines = "<br>".join(html.escape(line) for line in self.lines)
        return f'<figure class="{self.kind}">{image}><figcaption>{lines}</figcaption></figure>'


def search_page(title: str, query: Picture | None, results: Sequence[Picture]) -> str:
    """Make the page of a search: the query and the results, best first."""
    parts = [f"<h1>{html.escape(title)}</h1>"]
    if query is not None:
        parts.append(_row("query", [query]))
    parts.append(_row("nearest", results))
    return _document(title, parts)


def report_page(
    title: str, metrics: Mapping[str, Any], queries: Sequence[tuple[Picture, Sequence[Picture], Sequence[Picture]]]
) -> str:
    """Make the page of a training: figures, precision-recall curves, and queries with their neighbours.

    Args:
        title: heading.
        metrics: content of ``metrics.json``.
        queries: for each the query, its neighbours by float vectors, and those by codes.
    """
    names = [name for name in ("map@1000", "precision@100", "neighbour_recall@10") if name in metrics["index"]]
    blocks = {"float vectors": metrics["float"], "index": metrics["index"]}
    blocks |= {f"{name}, post-hoc": block for name, block in metrics["baselines"].items()}
    for name, block in metrics.get("pixels", {}).items():
        blocks["exact, raw pixels" if name == "float" else f"{name}, raw pixels"] = block
    head = "".join(f"<th>{name}</th>" for name in ("", *names))
    body = "".join(
        f"<tr><td>{name}</td>" + "".join(f"<td>{block[figure]:.3f}</td>" for figure in names) + "</tr>"
        for name, block in blocks.items()
    )
    facts = (
        f"{metrics['data']['gallery']:,} images searched, {metrics['data']['test_queries']:,} test queries, "
        f"{metrics['bytes_per_vector']} bytes per image ({metrics['spec']})"
    )
    parts = [f"<h1>{html.escape(title)}</h1>", f'<p class="note">{facts}</p>', f"<table><tr>{head}</tr>{body}</table>"]
    curves = {name: block["curve"] for name, block in blocks.items() if "curve" in block}
    if curves:
        parts += ["<h2>Precision by recall</h2>", _curves(curves)]
    if queries:
        parts.append("<h2>Queries and their neighbours</h2>")
        parts.append('<p class="note">Green frame: the class of the query; red frame: another class.</p>')
    for query, floats, codes in queries:
        parts += [_row("query", [query]), _row("float", floats), _row("index", codes), "<hr>"]
    return _document(title, parts)


def _row(name: str, pictures: Sequence[Picture]) -> str:
    return f'<div class="row"><b>{name}</b>{"".join(picture.html() for picture in pictures)}</div>'


def _document(title: str, parts: Sequence[str]) -> str:
    head = f'<meta charset="utf-8"><title>{html.escape(title)}</title><style>{STYLE}</style>'
    body = "\n".join(parts)
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>\n{body}\n</body></html>\n'


def _curves(curves: Mapping[str, Mapping[str, Sequence[float]]]) -> str:
    """Curves as SVG: recall 0 to 1 from left to right, precision 0 to 1 upwards."""
    width, height, left, bottom = 420, 260, 40, 30
    colours = ("#4a5657", "#a5281b")
    place = lambda x, y: (left + x * width, 10 + (1 - y) * height)  # noqa: E731
    parts = [f'<svg width="{left + width + 130}" height="{height + bottom + 15}" font-size="12" fill="#4a5657">']
    for tick in (0, 0.5, 1):
        (x, y), (_, top) = place(tick, 0), place(0, tick)
        parts.append(f'<text x="{x}" y="{y + 16}" text-anchor="middle">{tick:g}</text>')
        parts.append(f'<text x="{left - 8}" y="{top + 4}" text-anchor="end">{tick:g}</text>')
        parts.append(f'<path d="M{left} {top}h{width}" stroke="#e4e6e7"/>')
    parts.append(f'<text x="{left + width / 2}" y="{height + bottom + 12}" text-anchor="middle">recall</text>')
    labels = []
    for (name, curve), colour in zip(curves.items(), colours):
        points = [place(x, y) for x, y in zip(curve["recall"], curve["precision"])]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        labels.append([points[-1][1], name, colour])
    labels.sort()
    for before, label in pairwise(labels):
        label[0] = max(label[0], before[0] + 15)
    for y, name, colour in labels:
        parts.append(f'<text x="{left + width + 8}" y="{y + 4:.1f}" fill="{colour}">{name}</text>')
    return "".join([*parts, "</svg>"])
