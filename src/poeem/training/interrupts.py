"""Ctrl-C is handled between two training steps, not within one."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def interrupt_flag() -> Iterator[threading.Event]:
    """Delay Ctrl-C within the block: the first one only sets the event, and the second one raises
    ``KeyboardInterrupt``.

    In the middle of a step some parameters are updated and others are not. A run resumed from there would differ from
    an uninterrupted one. Outside the main thread, where Python allows no handler, the event is never set.

    Yields:
        the event.
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
