"""Ctrl-C is handled between two training steps, not within one."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def interrupt_flag() -> Iterator[threading.Event]:
    """Within the block the first Ctrl-C only sets the event; the second one raises ``KeyboardInterrupt``.

    Within a step some parameters are updated and others are not: a run resumed from there would differ from an
    uninterrupted one. Outside the main thread, where Python allows no handler, the event is never set.
    """
    requested = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield requested
        return

    def handler(number: int, frame: object) -> None:
        if requested.is_set():
            raise KeyboardInterrupt
        requested.set()

    before = signal.signal(signal.SIGINT, handler)
    try:
        yield requested
    finally:
        signal.signal(signal.SIGINT, before)
