"""Queries per second at equal recall, from `poeem bench --nlist`: the tables, and their lines in the long table."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.markdown import table
from benchmarks.read import Results, number_of_seeds
from poeem.bench.equal_recall import SHARES, at_equal_recall, found_metric
from poeem.bench.summary import summarise

# A method of faiss, and ours that is scanned by the same kernel.
SAME_KERNEL = {"opq": "poeem-pq", "opq-fastscan": "poeem-fastscan"}
PEERS = {"opq": "OPQ IVFPQ", "opq-fastscan": "OPQ by FastScan", "scann": "ScaNN"}
TITLES = {"debian_32": "debian, 16 and 32 bytes, on another processor"}
# Queries per second at each recall; None where a method does not reach it.
Speed = list[float | None]


def speeds(results: Results) -> str:
    """One table per data set; its last lines are ratios of the best of ours and the best of a peer."""
    parts = []
    for data in results.data_sets("speed"):
        rows = summarise(results.bench(data, "speed"))
        levels, found = at_equal_recall(rows)
        lines: list[tuple[object, ...]] = [
            ("best" if size is None else size, method, *("" if one is None else f"{one:,.0f}" for one in speed))
            for method, size, speed in found
        ]
        compared = {f"best of ours / {peer}": ratios for peer, ratios in speed_ratios(found).items()}
        compared |= {f"{own} / {peer}": speed_ratios(found, own).get(peer, []) for peer, own in SAME_KERNEL.items()}
        lines += [
            ("", name, *("" if one is None else f"{one:.2f}" for one in ratios))
            for name, ratios in compared.items()
            if ratios
        ]
        title = f"Queries per second at equal {found_metric(rows)}, {TITLES.get(data, data)}, one thread"
        seeds = _seeds(results, data)
        parts.append(table(f"{title}, {seeds}", ("bytes", "", *(f"{level:.3f}" for level in levels)), lines))
    return "\n\n".join(parts)


def speed_headlines(results: Results, data: str) -> Iterator[tuple[str, str]]:
    """One line per peer: the ratio of speeds at the highest of the table's recalls that the peer reaches."""
    rows = summarise(results.bench(data, "speed"))
    if not rows:
        return
    levels, found = at_equal_recall(rows)
    metric, seeds = found_metric(rows), _seeds(results, data).partition(";")[0]
    for peer, ratios in speed_ratios(found).items():
        reached = [place for place, ratio in enumerate(ratios) if ratio is not None]
        if not reached:
            continue
        last = reached[-1]
        share, level = SHARES[last], f"{levels[last]:.3f}".removeprefix("0")
        own = SAME_KERNEL.get(peer)
        same = speed_ratios(found, own).get(peer, ())[last : last + 1] if own else ()
        too = f"; `{own}`, by the same kernel / it" if any(same) else ""
        sizes = " and ".join(map(str, sorted({size for name, size, _ in found if name == peer and size})))
        title = (
            f"the same with lists, queries/s at {metric} {level}, {share:.0%} of float's and the last step that "
            f"{PEERS[peer]} of {sizes} bytes reaches ({seeds}): fastest of ours / it{too}"
        )
        yield title, "; ".join(f"{one:.1f}" for one in (ratios[last], *same) if one)


def _seeds(results: Results, data: str) -> str:
    """The number of seeds of most methods, and the methods with fewer."""
    by_method: dict[str, set[int]] = {}
    for record in results.bench(data, "speed"):
        by_method.setdefault(record["method"], set()).add(record["seed"])
    most = max(map(len, by_method.values()))
    few = [method for method, found in by_method.items() if len(found) < most and method != "float"]
    return number_of_seeds(most) + (f"; of {', '.join(few)} fewer" if few else "")


def speed_ratios(found: list[tuple[str, int | None, Speed]], ours: str = "poeem") -> dict[str, Speed]:
    """Speed of the fastest of ours / that of a peer, at each recall; of several sizes the fastest, on both sides.

    Args:
        found: by ``at_equal_recall``.
        ours: prefix of the names of ours.
    """
    best = {method: speed for method, size, speed in found if size is None}
    best |= {method: speed for method, _, speed in found if method not in best}
    fastest = [max(filter(None, one), default=None) for one in zip(*(best[m] for m in best if m.startswith(ours)))]
    return {
        peer: [own / other if own and other else None for own, other in zip(fastest, best[peer])]
        for peer in PEERS
        if peer in best and any(fastest)
    }
