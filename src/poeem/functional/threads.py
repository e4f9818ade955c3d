"""Process rows by several threads, each with single-threaded products."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch


def for_spans(work: Callable[[slice], object], rows: int, *, span: int, device: torch.device) -> None:
    """Call a function for every span of rows, on a CPU by as many threads as torch may use.

    Products of a few hundred rows are too small to be shared by threads, so each thread takes whole spans. Within a
    call torch uses one thread.

    Args:
        work: called with a slice of rows, in any order; its result is dropped, and its error is raised here.
        rows: number of rows.
        span: rows per call.
        device: of the tensors that ``work`` uses; on an accelerator calls follow one another.

    >>> seen = []
    >>> for_spans(seen.append, 5, span=2, device=torch.device("cpu"))
    >>> sorted((part.start, part.stop) for part in seen)
    [(0, 2), (2, 4), (4, 5)]
    """
    spans = [slice(start, min(rows, start + span)) for start in range(0, rows, span)]
    threads = min(torch.get_num_threads() if device.type == "cpu" else 1, len(spans))
    if threads < 2:
        for part in spans:
            work(part)
        return
    before = torch.get_num_threads()
    # OpenMP's setting belongs to the calling thread, so each sets it; MKL's is global, so it is restored.
    pool = ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))
    try:
        # Consumed to the end, so that an error of a thread is raised here.
        list(pool.map(work, spans))
    finally:
        pool.shutdown()
        torch.set_num_threads(before)
