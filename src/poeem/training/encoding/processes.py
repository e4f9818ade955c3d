"""Encode parts in several processes of this machine."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from poeem.training.encoding.encode_part import PartEncoder
from poeem.training.encoding.open_source import EncodeJob
from poeem.training.encoding.source import Part

_POLL_SECONDS = 0.5
# Of this process, if it is one of the pool.
_encoder: PartEncoder | None = None
_done: Any = None

MakeEncoder = Callable[[EncodeJob], PartEncoder]


def encode_in_processes(
    make: MakeEncoder, job: EncodeJob, parts: list[Part], processes: int, progress: Callable[[int], object]
) -> None:
    """Encode parts, each in one of several processes, with one torch thread each.

    A process ends with the process that started it, also if that is killed.

    Args:
        make: function of a module that makes the encoder of a process.
        job: what is encoded.
        parts: the parts.
        processes: number of processes.
        progress: called now and then with the number of rows encoded since the last call.
    Raises:
        ValueError: a row cannot be encoded.
        ChildProcessError: a process died.
    """
    methods = multiprocessing.get_all_start_methods()
    context: Any = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
    if "forkserver" in methods:
        # torch is imported once, and its pages are shared.
        context.set_forkserver_preload([__name__])
    done, seen = context.Value("q", 0), 0
    pool = ProcessPoolExecutor(min(processes, len(parts)), context, _start, (make, job, done))
    try:
        pending = {pool.submit(_encode, part) for part in parts}
        while pending:
            finished, pending = wait(pending, timeout=_POLL_SECONDS, return_when=FIRST_COMPLETED)
            for one in finished:
                one.result()
            progress(done.value - seen)
            seen = done.value
    except BrokenProcessPool:
        raise ChildProcessError(
            "a process died while it encoded, perhaps for lack of memory; repeat the command to resume, with fewer "
            "--processes"
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _start(make: MakeEncoder, job: EncodeJob, done: Any) -> None:
    global _encoder, _done
    import torch

    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(1)
    _encoder, _done = make(job), done


def _end_with_parent() -> None:
    parent: Any = multiprocessing.parent_process()
    parent.join()
    os._exit(1)


def _encode(part: Part) -> None:
    assert _encoder is not None
    _encoder.encode(part, _count)


def _count(rows: int) -> None:
    with _done.get_lock():
        _done.value += rows
