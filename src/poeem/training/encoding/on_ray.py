"""Encode parts on Ray Data: on a running cluster, or on a local one that is started."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from poeem.training.encoding.encode_part import PartEncoder
from poeem.training.encoding.open_source import EncodeJob
from poeem.training.encoding.source import Part


def encode_on_ray(
    make: Callable[[EncodeJob], PartEncoder],
    job: EncodeJob,
    parts: list[Part],
    processes: int,
    progress: Callable[[int], object],
) -> None:
    """Encode parts as tasks of Ray Data. Index, items and output must be on a file system that all nodes share.

    Args:
        make, job, parts, progress: as for `encode_in_processes`.
        processes: number of actors.
    Raises:
        ValueError: ray is not installed, or a row cannot be encoded.
    """
    try:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        import ray
    except ImportError:
        raise ValueError("--ray needs the package ray; install it: pip install 'poeem-torch[ray]'") from None

    started = not ray.is_initialized()
    if started:
        # A cluster is named by RAY_ADDRESS; else a local one of this size.
        local = {} if "RAY_ADDRESS" in os.environ else {"num_cpus": processes, "include_dashboard": False}
        ray.init(log_to_driver=False, logging_level=logging.ERROR, **local)
    try:
        rows = [{"part": asdict(part)} for part in parts]
        ray.data.DataContext.get_current().enable_progress_bars = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        encoder: Any = _encoder_class(make, job)
        pool = ray.data.ActorPoolStrategy(size=min(processes, len(parts)))
        encoded = ray.data.from_items(rows, override_num_blocks=len(rows)).map(encoder, compute=pool, num_cpus=1)
        for row in encoded.iter_rows():
            if row["error"]:
                raise ValueError(row["error"])
            progress(row["rows"])
    finally:
        if started:
            ray.shutdown()


def _encoder_class(make: Callable[[EncodeJob], PartEncoder], job: EncodeJob) -> type:
    """The class of an actor with the encoder. It holds the job itself: arguments in Ray's store may get lost."""

    class Encoder:
        def __init__(self) -> None:
            self._encoder = make(job)

        def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
            part = Part(**{**row["part"], "groups": tuple(row["part"]["groups"])})
            try:
                self._encoder.encode(part)
            except ValueError as error:
                # Ray would print a stack trace for it, and wrap it twice.
                return {"rows": 0, "error": str(error)}
            return {"rows": part.rows, "error": ""}

    return Encoder
