"""What must be served, and the assumptions of a plan."""

from __future__ import annotations

from dataclasses import dataclass

from poeem.option import option

BITS = (4, 8)
# Beyond this many lists, a graph finds those to visit.
GRAPH_FROM = 16_384


@dataclass(frozen=True)
class Needs:
    """What must be served."""

    rows: str = option("1e6,1e8,1e9,1e10", "Numbers of items, separated by commas.", metavar="N,N")
    bytes: int = option(16, "Bytes per code, ids not counted.")
    dim: int = option(64, "Width of the vectors.")
    qps: float = option(1000.0, "Queries per second.")
    p99_ms: float = option(20.0, "Time in which 99 % of the queries are answered, ms.")

    def __post_init__(self) -> None:
        for name in ("bytes", "dim", "qps", "p99_ms"):
            check_positive(name, getattr(self, name))
        for name in ("bytes", "dim"):
            _check_most(name, getattr(self, name), 65_536)
        self.counts()

    def counts(self) -> list[int]:
        """Return the numbers of items.

        Raises:
            ValueError: ``rows`` is no list of numbers of at least 1,000.
        """
        try:
            counts = [int(float(text)) for text in self.rows.split(",")]
        except (ValueError, OverflowError):
            counts = []
        if not counts or min(counts) < 1000 or max(counts) > 10**13:
            raise ValueError(f"rows (={self.rows!r}) must be numbers from 1000 to 1e13, such as 1e6,1e9")
        return counts


@dataclass(frozen=True)
class Assumptions:
    """Assumptions; change those that are not yours."""

    bits: int = option(8, "Bits per codeword number: 8, or 4 for FastScan.")
    nlist: int | None = option(None, "Inverted lists.", shown="a power of two near 4 sqrt(rows)")
    nprobe: int = option(64, "Lists visited per query; poeem explain --target finds yours.")
    imbalance: float = option(1.3, "Items in the visited lists, in multiples of the mean.")
    tail: float = option(1.5, "Time of the slowest 1 % of queries without waiting, in multiples of the mean.")
    overhead_ms: float = option(1.0, "Time of a request outside the search: network, reading, writing, ms.")
    cores: int = option(16, "Cores of a machine.")
    memory_gb: float = option(64.0, "Memory of a machine, GB.")
    usable: float = option(0.8, "Share of the memory that the index may take.")
    utilisation: float = option(0.6, "Share of the cores' time that queries may take.")
    threads_gain: float = option(0.8, "Gain of each further thread of one query.")
    copies: int = option(2, "Least number of copies, so that one machine may fail.")
    price: float = option(0.8, "Price of a machine per hour, in your currency.")

    def __post_init__(self) -> None:
        if self.bits not in BITS:
            raise ValueError(f"bits (={self.bits}) must be 8, or 4 for FastScan")
        for name in ("nprobe", "imbalance", "tail", "cores", "memory_gb", "copies", "nlist"):
            value = getattr(self, name)
            if value is not None:
                check_positive(name, value)
        _check_most("cores", self.cores, 1024)
        for name in ("usable", "utilisation", "threads_gain"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(f"{name} (={getattr(self, name)}) must be above 0 and at most 1")
        for name in ("overhead_ms", "price"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"{name} (={getattr(self, name)}) must be 0 or more")


def check_positive(name: str, value: float) -> None:
    """Raise a ValueError if a value is not above 0 and finite."""
    if not 0 < value < float("inf"):
        raise ValueError(f"{name} (={value}) must be above 0")


def _check_most(name: str, value: float, most: int) -> None:
    if value > most:
        raise ValueError(f"{name} (={value}) must be at most {most}")
