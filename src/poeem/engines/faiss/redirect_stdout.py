"""Send messages of faiss to stderr, because stdout is for results."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
import threading
from collections.abc import Iterator

# The descriptor belongs to the process: only one thread may swap it.
_LOCK = threading.Lock()


@contextlib.contextmanager
def prints_on_stderr() -> Iterator[None]:
    """Send what C code prints to stderr; a context manager. faiss prints when it writes or reads lists on disk."""
    with _LOCK:
        sys.stdout.flush()
        _flush_c()
        kept = os.dup(1)
        try:
            os.dup2(2, 1)
            yield
        finally:
            # Before the descriptor is put back: C keeps lines in a buffer where stdout is no terminal.
            _flush_c()
            os.dup2(kept, 1)
            os.close(kept)


def _flush_c() -> None:
    # Windows has no C library under this name; there a line may be printed late.
    with contextlib.suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).fflush(None)
