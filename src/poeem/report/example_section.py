"""Section of the examples: lists of items, or pictures where the items have them."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from typing import Any

from poeem.bundle.bundle import Bundle
from poeem.explain.workload import Workload
from poeem.page.document import paragraph, section
from poeem.page.pictures import Picture, picture_row
from poeem.report.examples import Example, Found
from poeem.report.query_names import Names, item_titles
from poeem.training.images.run import PICTURE


def example_section(workload: Workload, bundle: Bundle, examples: Sequence[Example], names: Names) -> str:
    """Return the section.

    Args:
        workload: of the examples; its rows have ids of ``bundle``.
        bundle: with the columns of the items.
        examples: the worst first.
        names: from the number of a query to its name.
    """
    if bundle.columns is not None and PICTURE in bundle.columns.column_names:
        note = (
            "A green frame: the class of the query; a red one: another class. Where there are no classes, all are grey."
        )
        shown = [_pictures(workload, bundle, example, names) for example in examples]
    else:
        note = "Items that the index misses are marked with the reason; relevant ones are in bold."
        title = item_titles(bundle)
        shown = [_lists(workload, example, names, title) for example in examples]
    return section(
        "Examples",
        paragraph(f"First the queries for which most is missed, then queries at random. {note}", "note"),
        *shown,
    )


def _lists(workload: Workload, example: Example, names: Names, title: Callable[[Any], str]) -> str:
    ids = workload.bundle.ids

    def column(name: str, items: Sequence[Found]) -> str:
        rows = []
        for found in items:
            kind = " ".join(word for word, applies in (("lost", found.lost), ("relevant", found.relevant)) if applies)
            lost = f" &#10007; missed: {html.escape(found.lost)}" if found.lost else ""
            mark = " &#9733; relevant" if found.relevant else ""
            rows.append(f'<li class="{kind}">{html.escape(title(ids[found.row]))}{mark}{lost}</li>')
        return f"<div><b>{html.escape(name)}</b><ol>{''.join(rows)}</ol></div>"

    heading = f"<h3>{html.escape(names(example.query))}</h3>"
    both = column("exact search", example.exact) + column("index", example.index)
    return f'<div class="example">{heading}<div class="columns">{both}</div></div>'


def _pictures(workload: Workload, bundle: Bundle, example: Example, names: Names) -> str:
    assert bundle.columns is not None
    columns, rows = bundle.columns, bundle.row_of(workload.bundle.ids)
    titles = columns["title"] if "title" in columns.column_names else None

    def title_of(row: int) -> str | None:
        return None if titles is None else titles[int(rows[row])].as_py()

    assert workload.queries.self_rows is not None
    own = int(workload.queries.self_rows[example.query])

    def picture(row: int, kind: str, *more: str) -> Picture:
        lines = [str(workload.bundle.ids[row]), title_of(row) or "", *more]
        return Picture(columns[PICTURE][int(rows[row])].as_py(), [line for line in lines if line], kind)

    def found(items: Sequence[Found]) -> list[Picture]:
        pictures = []
        for one in items:
            known = title_of(own) is not None and title_of(one.row) is not None
            kind = ("same" if title_of(own) == title_of(one.row) else "other") if known else ""
            pictures.append(picture(one.row, kind, f"{one.score:.3f}", "missed: " + one.lost if one.lost else ""))
        return pictures

    heading = f"<h3>{html.escape(names(example.query))}</h3>"
    rows = [
        picture_row("query", [picture(own, "query")]),
        picture_row("exact", found(example.exact)),
        picture_row("index", found(example.index)),
    ]
    return f'<div class="example">{heading}{"".join(rows)}</div>'
