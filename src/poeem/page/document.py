"""The HTML document: style for light and dark screens, sections, tables."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

# Series colours s0 to s5: Okabe and Ito's, which colour-blind readers can tell apart; lighter ones on dark screens.
STYLE = """
:root { color-scheme: light dark; --page: #fff; --text: #24292b; --quiet: #4a5657; --line: #d5d9da; --fill: #f2f4f4;
  --s0: #b3202c; --s1: #0072b2; --s2: #00725a; --s3: #a0561a; --s4: #7a1f5c; --s5: #5b6566; }
@media (prefers-color-scheme: dark) { :root { --page: #16191b; --text: #e6e9ea; --quiet: #a9b4b6; --line: #3a4245;
  --fill: #202528; --s0: #ff8577; --s1: #6bb8f0; --s2: #4fd1a5; --s3: #f0a860; --s4: #df93cb; --s5: #b0babc; } }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 64rem; padding: 0 1rem;
  background: var(--page); color: var(--text); overflow-wrap: anywhere; }
h1 { font-size: 1.4rem; line-height: 1.25; } h2 { font-size: 1.1rem; margin: 2.2rem 0 .6rem; }
h3 { font-size: .95rem; margin: 1.2rem 0 .3rem; }
p.note, figcaption, .facts { color: var(--quiet); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: .4rem 0; }
td, th { padding: .2rem .9rem .2rem 0; text-align: right; vertical-align: top; white-space: nowrap; }
th { font-weight: 600; border-bottom: 1px solid var(--line); } th:first-child, td:first-child { text-align: left; }
table { font-size: .93rem; } th, td { overflow-wrap: normal; }
.text { text-align: left; } td.text { white-space: normal; min-width: 5rem; } td.text:first-child { min-width: 8rem; }
caption { text-align: left; color: var(--quiet); padding: .3rem 0; }
.charts { display: flex; align-items: flex-start; flex-wrap: wrap; gap: 1rem; }
.charts > figure { flex: 1 1 21rem; max-width: 30rem; }
.charts.maps > figure { flex: 0 0 auto; max-width: 11rem; }
figure { margin: 0; min-width: 0; } svg { display: block; max-width: 100%; height: auto; }
svg text { font: 12px system-ui, sans-serif; fill: var(--quiet); } svg text.strong { fill: var(--text); }
svg .axis { stroke: var(--line); fill: none; }
.s0 { --c: var(--s0); } .s1 { --c: var(--s1); } .s2 { --c: var(--s2); }
.s3 { --c: var(--s3); } .s4 { --c: var(--s4); } .s5 { --c: var(--s5); }
svg .series { stroke: var(--c); fill: none; stroke-width: 2; } svg .dot { fill: var(--c); stroke: var(--page); }
svg .area { fill: var(--c); stroke: none; opacity: .85; } svg text.series-name { fill: var(--c); }
.pictures { display: flex; flex-wrap: wrap; gap: .6rem .5rem; align-items: flex-start; margin: .4rem 0;
  position: relative; padding-left: 5.4rem; }
.pictures > b { position: absolute; left: 0; padding-top: 1.6rem; font-weight: 600; }
.pictures figure { width: 5rem; } .pictures img { display: block; width: 5rem; height: 5rem; object-fit: contain;
  background: var(--fill); border: 2px solid var(--line); border-radius: 4px; image-rendering: pixelated;
  box-sizing: border-box; }
.pictures .query img { border-color: var(--quiet); } .pictures .same img { border-color: var(--s2); }
.pictures .other img { border-color: var(--s0); }
.pictures figcaption { font-size: 11px; line-height: 1.25; margin-top: 2px; }
.example { border-top: 1px solid var(--line); padding: .6rem 0; }
.columns { display: flex; flex-wrap: wrap; gap: .4rem 2rem; } .columns > div { flex: 1 1 18rem; }
ol { margin: .2rem 0; padding-left: 1.6rem; } li.lost { color: var(--s0); } li.relevant { font-weight: 600; }
"""


def document(title: str, parts: Iterable[str]) -> str:
    """Return the page with this title and the HTML of its parts."""
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{STYLE}</style>"
    )
    body = "\n".join(parts)
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body><main>\n{body}\n</main></body></html>\n'


def section(heading: str, *parts: str) -> str:
    """Return a section with a heading; empty without parts."""
    found = [part for part in parts if part]
    body = "\n".join(found)
    return f"<section><h2>{html.escape(heading)}</h2>\n{body}\n</section>" if found else ""


def paragraph(text: str, kind: str = "") -> str:
    """Return a paragraph of escaped text; empty without text."""
    return f'<p class="{kind}">{html.escape(text)}</p>' if text else ""


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], caption: str = "") -> str:
    """Return a table with escaped cells; the first column and columns of words are left-aligned."""
    words = [any(not _is_number(row[place]) for row in rows) for place in range(len(columns))]
    kinds = [" class=text" if word else "" for word in words]
    head = "".join(f'<th scope="col"{kind}>{html.escape(name)}</th>' for name, kind in zip(columns, kinds))
    body = "".join(
        "<tr>" + "".join(f"<td{kind}>{html.escape(cell.strip())}</td>" for cell, kind in zip(row, kinds)) + "</tr>\n"
        for row in rows
    )
    title = f"<caption>{html.escape(caption)}</caption>" if caption else ""
    # A table that is wider than the screen can be scrolled by keyboard too.
    content = f"{title}<thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody>"
    return f'<div class="wide" tabindex="0"><table>{content}</table></div>'


def figure(svg: str, caption: str) -> str:
    """Return a chart with its caption."""
    return f"<figure>{svg}<figcaption>{html.escape(caption)}</figcaption></figure>"


def charts(*figures: str, kind: str = "") -> str:
    """Return figures side by side where there is room (``kind="maps"``: small ones); empty without any."""
    found = [one for one in figures if one]
    return f'<div class="charts {kind}">{"".join(found)}</div>' if found else ""


def _is_number(cell: str) -> bool:
    return not cell.strip() or any(digit in cell for digit in "0123456789")
