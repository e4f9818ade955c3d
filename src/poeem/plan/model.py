"""The model of `poeem plan`: sums of measured times and bytes."""

from __future__ import annotations

import math
from dataclasses import dataclass

from poeem.plan.measured import MEASURED
from poeem.plan.needs import GRAPH_FROM, Assumptions, Needs

ID_BYTES, FLOAT_BYTES, LIST_BYTES = 8, 4, 4
# Links of the graph over the centroids: 32 to each side on the lowest level, 4 bytes each, and a quarter more above.
_GRAPH_BYTES = 2 * 32 * 4 * 1.25
_HOURS_A_MONTH = 730
_MOST_SHARDS = 4096


@dataclass(frozen=True)
class Plan:
    """A deployment for one number of items.

    Args:
        rows, nlist: items and inverted lists.
        scanned: codes scanned per query.
        memory_gb, disk_gb: of one copy of the index; of its file and of the encoded parts.
        shards, copies, machines: machines of one copy, copies, and their product.
        threads: threads of a query on each machine.
        search_ms: time of a processor core for one query, on all machines together.
        p99_ms: predicted.
        encode_core_hours, merge_hours: time to encode on one core; and to merge the parts, which one core does.
        build_hours: encoding on all cores of the machines, and the merge.
        cost_a_month: of the machines.
    """

    rows: int
    nlist: int
    scanned: float
    memory_gb: float
    disk_gb: float
    shards: int
    copies: int
    machines: int
    threads: int
    search_ms: float
    p99_ms: float
    encode_core_hours: float
    merge_hours: float
    build_hours: float
    cost_a_month: float


@dataclass(frozen=True)
class SearchTime:
    """Milliseconds of one core for a query.

    Args:
        fixed: before a code is scanned: the query itself and the search for the lists.
        scan: tables and codes of the visited lists; can be divided among threads and machines.
    """

    fixed: float
    scan: float


def search_time(rows: float, nlist: int, nprobe: int, needs: Needs, assumed: Assumptions) -> SearchTime:
    """Predict the time of a query on one core."""
    figures = MEASURED["scan"][assumed.bits]
    values = nlist * needs.dim
    flat = values * figures["ns_per_centroid_value"] / 1e3
    coarse = MEASURED["hnsw_us"] * needs.dim / 64 if nlist > GRAPH_FROM else flat
    scanned = scanned_codes(rows, nlist, nprobe, assumed)
    per_list = nprobe * by_bytes(figures["us_per_list"], needs.bytes)
    per_code = scanned * by_bytes(figures["ns_per_code"], needs.bytes) / 1e3
    return SearchTime((figures["us_per_query"] + coarse) / 1e3, (per_list + per_code) / 1e3)


def scanned_codes(rows: float, nlist: int, nprobe: int, assumed: Assumptions) -> float:
    """Return the codes that a query scans."""
    return rows if nprobe >= nlist else min(rows, rows / nlist * nprobe * assumed.imbalance)


def by_bytes(figures: dict[int, float], size: int) -> float:
    """Interpolate a figure that was measured at two sizes of codes linearly. It does not fall with the size, and is at
    least half of that of the smaller size.

    >>> by_bytes({8: 1.0, 16: 3.0}, 12), by_bytes({8: 1.0, 16: 3.0}, 2), by_bytes({8: 1.0, 16: 0.9}, 32)
    (2.0, 0.5, 1.0)
    """
    (small, low), (large, high) = sorted(figures.items())
    return max(low + (max(high, low) - low) * (size - small) / (large - small), low / 2)


def index_bytes(rows: float, nlist: int, needs: Needs, assumed: Assumptions, kind: str) -> float:
    """Predict the bytes of one copy of the index, ``kind`` ``memory`` or ``file``."""
    graph = _GRAPH_BYTES if nlist > GRAPH_FROM else 0.0
    per_list = by_bytes(MEASURED[f"{kind}_bytes_per_list"][assumed.bits], needs.bytes)
    return rows * (needs.bytes + ID_BYTES) + nlist * (needs.dim * FLOAT_BYTES + graph + per_list)


def default_nlist(rows: float) -> int:
    """Return the power of two nearest to 4 sqrt(rows), as ratios go.

    >>> default_nlist(1e6), default_nlist(1e9)
    (4096, 131072)
    """
    return 2 ** round(math.log2(4 * math.sqrt(rows)))


def waiting_p99(service: float, servers: float, load: float) -> float:
    """Return the time that the slowest 1 % of the queries wait for a free core, in units of ``service``.

    Args:
        service: time of a query, of about equal length for all.
        servers: queries that a machine answers at once.
        load: share of the time that they are busy, below 1.
    Source:
        Sakasegawa, "An approximation formula", 1977, for the share that waits; an exponential tail, halved because
        the times of queries hardly vary.

    >>> waiting_p99(1.0, 16, 0.1)
    0.0
    """
    waits = load ** (math.sqrt(2 * (servers + 1)) - 1)
    if waits <= 0.01:
        return 0.0
    return service * math.log(100 * waits) / (2 * servers * (1 - load))


def make_plan(rows: int, needs: Needs, assumed: Assumptions) -> Plan:
    """Plan a deployment: as few machines as memory, time and load allow.

    Raises:
        ValueError: the time cannot be reached by any number of machines.
    """
    nlist = min(assumed.nlist or default_nlist(rows), rows)
    nprobe = min(assumed.nprobe, nlist)
    time = search_time(rows, nlist, nprobe, needs, assumed)
    memory, room = index_bytes(rows, nlist, needs, assumed, "memory"), assumed.memory_gb * 1e9 * assumed.usable
    lists = index_bytes(0, nlist, needs, assumed, "memory")
    if lists >= room:
        raise ValueError(f"nlist (={nlist}): the centroids alone take {lists / 1e9:.1f} GB on each machine; give fewer")
    shards = max(1, math.ceil((memory - lists) / (room - lists)))
    while True:
        for threads in range(1, assumed.cores + 1):
            together = 1 + (threads - 1) * assumed.threads_gain
            service = time.fixed + time.scan / shards / together
            # Each further thread is used less well.
            busy = time.fixed + time.scan / shards * threads / together
            copies = max(assumed.copies, math.ceil(needs.qps * busy / 1e3 / (assumed.cores * assumed.utilisation)))
            load = needs.qps / copies * busy / 1e3 / assumed.cores
            p99 = assumed.overhead_ms + assumed.tail * service + waiting_p99(service, assumed.cores / threads, load)
            if p99 <= needs.p99_ms:
                return _plan(rows, nlist, needs, assumed, Shape(shards, copies, threads, shards * busy, p99, memory))
        least = assumed.overhead_ms + assumed.tail * time.fixed
        if least > needs.p99_ms or shards >= _MOST_SHARDS:
            raise ValueError(
                f"p99_ms (={needs.p99_ms:g}) cannot be reached with {rows:,} rows, {nlist} lists and nprobe {nprobe}: "
                f"{least:.1f} ms pass before a code is scanned, and a scan takes {time.scan:.1f} ms of a core; give a "
                "lower nprobe, or more time"
            )
        shards += max(1, shards // 16)


@dataclass(frozen=True)
class Shape:
    """Machines of a plan, and its times."""

    shards: int
    copies: int
    threads: int
    search_ms: float
    p99_ms: float
    memory: float


def _plan(rows: int, nlist: int, needs: Needs, assumed: Assumptions, shape: Shape) -> Plan:
    machines = shape.shards * shape.copies
    encode_ns = nlist * needs.dim * MEASURED["encode"]["coarse_ns_per_value"]
    encode_ns += by_bytes(MEASURED["encode"]["code_ns_per_row"], needs.bytes) * needs.dim / 64
    encode_hours, merge_hours = (rows * ns / 3.6e12 for ns in (encode_ns, MEASURED["merge_ns_per_row"]))
    # Parts of poeem encode: code, id and list, at most.
    parts = rows * (needs.bytes + ID_BYTES + LIST_BYTES)
    disk = index_bytes(rows, nlist, needs, assumed, "file") + parts
    return Plan(
        rows=rows,
        nlist=nlist,
        scanned=scanned_codes(rows, nlist, min(assumed.nprobe, nlist), assumed),
        memory_gb=shape.memory / 1e9,
        disk_gb=disk / 1e9,
        shards=shape.shards,
        copies=shape.copies,
        machines=machines,
        threads=shape.threads,
        search_ms=shape.search_ms,
        p99_ms=shape.p99_ms,
        encode_core_hours=encode_hours,
        merge_hours=merge_hours,
        build_hours=encode_hours / (assumed.cores * machines) + merge_hours / shape.shards,
        cost_a_month=machines * assumed.price * _HOURS_A_MONTH,
    )
