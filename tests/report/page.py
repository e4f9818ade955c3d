"""A report, read back: its sections, text, charts and pictures, and that it needs nothing else."""

from __future__ import annotations

from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

from poeem.report.build import ReportOptions, build_report

_NO_END = {"meta", "img", "path", "circle", "polyline", "polygon", "rect", "br", "wbr"}


class Page(HTMLParser):
    """A parsed page; its elements must be balanced, and nothing may be loaded from elsewhere."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.sections, self.labels, self.classes = list[str](), list[str](), Counter[str]()
        self.text, self.pictures, self._open = "", 0, list[str]()
        self.feed(text)
        assert not self._open
        assert "@import" not in text
        assert "<script" not in text

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        for name in ("src", "href"):
            assert (given.get(name) or "data:").startswith("data:"), given
        self.classes.update((given.get("class") or "").split())
        self.pictures += tag == "img"
        if tag == "img":
            assert given["alt"]
        if tag == "svg":
            assert given["role"] == "img"
            self.labels.append(given["aria-label"] or "")
        if tag not in _NO_END:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in _NO_END

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] == "h2":
            self.sections.append(data)
        if not self._open or self._open[-1] != "style":
            self.text += data


def page_of(folder: Path, **options: object) -> Page:
    """The report of a run; without the explanation, which has tests of its own."""
    return Page(build_report(folder, ReportOptions(**{"explain": False, **options})))  # pyright: ignore[reportArgumentType]
