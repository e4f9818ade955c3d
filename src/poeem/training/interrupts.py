"""Ctrl-C between two steps rather than within one."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def interrupt_flag() -> Iterator[threading.Event]:
    """Within the block the first Ctrl-C only sets the event; the second one interrupts as usual.

    In the midst of a step some parameters have moved and others not: a checkpoint from there would not continue as an
    uninterrupted run does. Outside the main thread, where Python allows no handler, the event is never set.
    """
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return

    def handler(number: int, frame: object) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    before = signal.signal(signal.SIGINT, handler)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)
