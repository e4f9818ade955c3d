"""Options of ``poeem serve``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from poeem.option import check_choices, more_option, option

ENGINES = ("faiss", "fastscan")


@dataclass(frozen=True)
class ServeOptions:
    """What is served, and where.

    Raises:
        ValueError: a value is out of range.
    """

    host: str = option("127.0.0.1", "Address to listen at. 0.0.0.0 is every network.")
    port: int = option(8000, "Port to listen at; 0 takes a free one.")
    engine: str = option("faiss", "Index in memory; fastscan is for 4-bit codes.", choices=ENGINES)
    nprobe: int | None = option(None, "Inverted lists visited per query.", shown="the run's")
    workers: int = option(1, "Threads that search, each on one processor core.")
    api_key: str | None = option(
        None, "Key that requests must carry. Other users of the machine see it in the process list.",
        metavar="KEY", shown="the variable POEEM_API_KEY",
    )  # fmt: skip
    vectors: Path | None = option(
        None, "The items' vectors, .npy, for exact search beside the index; default: those of the run.",
        metavar="FILE",
    )  # fmt: skip

    def __post_init__(self) -> None:
        check_choices(self)
        if not 0 <= self.port < 65536:
            raise ValueError(f"port (={self.port}) must be from 0 to 65535")
        if self.workers < 1:
            raise ValueError(f"workers (={self.workers}) must be at least 1")


@dataclass(frozen=True)
class LimitOptions:
    """Limits of a request, and of the requests that wait.

    Raises:
        ValueError: a value is out of range.
    """

    max_k: int = more_option(1000, "Largest number of results per query.")
    max_batch: int = more_option(1024, "Largest number of queries, or of items to write, in a request.")
    max_bytes: int = more_option(32 * 2**20, "Largest body of a request, bytes.")
    max_seconds: float = more_option(10.0, "Seconds within which a request must have been sent, and be answered.")
    queue: int = more_option(1024, "Queries that may wait. More are refused with status 429.")
    batching: bool = more_option(
        True, "Search all queries that wait in one call; --no-batching searches them one by one.",
        flag="--batching/--no-batching",
    )  # fmt: skip
    probe_seconds: float = more_option(
        5.0, "Compare one answer with exact search every so many seconds, for the metric of recall; 0: never."
    )
    access_log: bool = more_option(False, "Log a line for each request.", flag="--access-log")

    def __post_init__(self) -> None:
        for name in ("max_k", "max_batch", "max_bytes", "queue"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} (={getattr(self, name)}) must be at least 1")
        if not self.max_seconds > 0:
            raise ValueError(f"max_seconds (={self.max_seconds}) must be above 0")
        if not self.probe_seconds >= 0:
            raise ValueError(f"probe_seconds (={self.probe_seconds}) must be 0 or more")
