"""Progress of an encoding on stderr, with rows/s and remaining time: a bar on a terminal, else lines."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

_LINE_SECONDS = 10


@contextmanager
def rows_progress(total: int, done: int, *, show: bool) -> Iterator[Callable[[int], None]]:
    """Show the progress of ``total`` rows, of which ``done`` are already encoded.

    Yields:
        a function to call with the number of rows that were encoded since its last call.
    """
    if not show:
        yield lambda rows: None
    elif not sys.stderr.isatty():
        yield _Lines(total, done)
    else:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        columns = (
            TextColumn("encode"),
            BarColumn(),
            TextColumn("{task.completed:,.0f}/{task.total:,.0f} rows  {task.fields[speed]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=Console(stderr=True)) as bar:
            task, began, rows_done = bar.add_task("", total=total, completed=done, speed=""), time.monotonic(), 0

            def update(rows: int) -> None:
                nonlocal rows_done
                rows_done += rows
                speed = rows_done / max(time.monotonic() - began, 1e-9)
                bar.update(task, advance=rows, speed=f"{speed:,.0f} rows/s")

            yield update


class _Lines:
    """A line every ten seconds, and one at the end."""

    def __init__(self, total: int, done: int) -> None:
        self._total, self._before, self._done = total, done, done
        self._began = self._last = time.monotonic()

    def __call__(self, rows: int) -> None:
        self._done += rows
        now = time.monotonic()
        if (now - self._last < _LINE_SECONDS and self._done < self._total) or not rows:
            return
        self._last = now
        speed = (self._done - self._before) / max(now - self._began, 1e-9)
        left = timedelta(seconds=round((self._total - self._done) / max(speed, 1e-9)))
        print(
            f"encode: {self._done:,}/{self._total:,} rows  {speed:,.0f} rows/s  remaining {left}",
            file=sys.stderr,
            flush=True,
        )
