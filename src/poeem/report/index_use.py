"""Section of the index: lengths of the lists, use of the codewords, and a map of them."""

from __future__ import annotations

import numpy as np

from poeem.bundle.bundle import Bundle
from poeem.explain.codeword_map import CodewordMap, codeword_map
from poeem.page.charts import bar_chart, point_map
from poeem.page.document import charts, figure, paragraph, section

# Lists that are drawn one by one; of more, equally many are averaged.
_BARS = 400
_MAPS = 8


def index_section(bundle: Bundle) -> str:
    """Return the charts of a bundle's lists and codewords."""
    found = codeword_map(bundle)
    return section(
        "Lists and codewords",
        charts(_lists(bundle), _codewords(found)),
        paragraph(
            "Each map shows the codewords of one codebook on their two main axes. The area of a dot is the number "
            "of its items; a ring has none.",
            "note",
        ),
        charts(*(_map(found, number) for number in range(min(_MAPS, len(found.places)))), kind="maps"),
    )


def _lists(bundle: Bundle) -> str:
    if bundle.lists is None:
        return ""
    lengths = np.sort(np.bincount(bundle.lists, minlength=bundle.spec.nlist))[::-1]
    drawn = np.array([part.mean() for part in np.array_split(lengths, min(_BARS, len(lengths)))])
    even = float(lengths.mean())
    caption = (
        f"{len(lengths):,} lists, longest first: {lengths[0]:,} items in the longest, {(lengths == 0).sum():,} empty"
    )
    return figure(bar_chart(drawn.tolist(), "lists", "items", mark=even, mark_name="even"), caption)


def _codewords(found: CodewordMap) -> str:
    shares = found.counts / np.maximum(found.counts.sum(1, keepdims=True), 1)
    ordered = -np.sort(-shares, axis=1).mean(0)
    dead = float((found.counts == 0).mean())
    caption = f"Codewords, most used first, mean over {len(shares)} codebooks; {dead:.1%} have no item"
    return figure(
        bar_chart(ordered.tolist(), "codewords", "share of items", mark=1 / shares.shape[1], mark_name="even"), caption
    )


def _map(found: CodewordMap, number: int) -> str:
    places = [(float(x), float(y)) for x, y in found.places[number]]
    caption = f"codebook {number + 1}, {found.shown[number]:.0%} of the variance"
    return figure(point_map(places, found.counts[number].tolist(), f"Map of {caption}"), caption)
