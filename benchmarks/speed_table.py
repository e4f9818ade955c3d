"""Queries a second at equal recall, of what `poeem bench --nlist` found: the table, and its line in the README."""

from __future__ import annotations

from collections.abc import Iterator

from blocks import row, rule
from poeem.bench.equal_recall import SHARES, at_equal_recall, found_metric
from poeem.bench.summary import summarise
from results_of import data_sets, records, seeds

# Of ours and of theirs, scanned by the same kernel of faiss.
ALIKE = {"opq": "poeem-pq", "opq-fastscan": "poeem-fastscan"}
PEERS = {"opq": "OPQ IVFPQ", "opq-fastscan": "OPQ by FastScan", "scann": "ScaNN"}
TITLES = {"debian_32": "debian, 16 and 32 bytes, on another processor"}
# Queries a second at each recall; None where a method does not find as much.
Speed = list[float | None]


def speeds() -> list[str]:
    """A table a data set; its last lines are the best of ours by the best of a peer."""
    parts = []
    for name in data_sets("speed"):
        rows = summarise(records(name, "speed"))
        levels, found = at_equal_recall(rows)
        lines = [
            f"**Queries a second at equal {found_metric(rows)}, {TITLES.get(name, name)}, one thread, {_seeds(name)}**",
            "",
            row("bytes", "", *(f"{level:.3f}" for level in levels)).replace("|  |", "| |"),
            rule(len(levels) + 2),
        ]
        for method, size, speed in found:
            cells = ("" if one is None else f"{one:,.0f}" for one in speed)
            lines.append(row("best" if size is None else size, method, *cells))
        compared = {f"best of ours / {peer}": ratios for peer, ratios in _ratios(found).items()}
        compared |= {f"{own} / {peer}": _ratios(found, own).get(peer, []) for peer, own in ALIKE.items()}
        for words, ratios in compared.items():
            if ratios:
                lines.append(row("", words, *("" if one is None else f"{one:.2f}" for one in ratios)))
        parts.append("\n".join(lines))
    return parts


def headline(name: str) -> Iterator[tuple[str, str]]:
    """A peer a line: ours by it in queries a second, at the highest of the table's recalls that it reaches."""
    rows = summarise(records(name, "speed"))
    if not rows:
        return
    levels, found = at_equal_recall(rows)
    metric, said = found_metric(rows), _seeds(name).partition(";")[0]
    for peer, ratios in _ratios(found).items():
        reached = [place for place, ratio in enumerate(ratios) if ratio is not None]
        if reached:
            most = reached[-1]
            share, level = SHARES[most], f"{levels[most]:.3f}".removeprefix("0")
            own = ALIKE.get(peer)
            alike = _ratios(found, own).get(peer, ())[most : most + 1] if own else ()
            too = f"; `{own}`, scanned alike / it" if any(alike) else ""
            sizes = " and ".join(map(str, sorted({size for name, size, _ in found if name == peer and size})))
            title = (
                f"the same with lists, queries/s at {metric} {level}, {share:.0%} of float's and the last step that "
                f"{PEERS[peer]} of {sizes} bytes reaches ({said}): fastest of ours / it{too}"
            )
            yield title, "; ".join(f"{one:.1f}" for one in (ratios[most], *alike) if one)


def _seeds(name: str) -> str:
    """The seeds that most methods have, and which have fewer."""
    by_method: dict[str, set[int]] = {}
    for record in records(name, "speed"):
        by_method.setdefault(record["method"], set()).add(record["seed"])
    most = max(map(len, by_method.values()))
    few = [method for method, found in by_method.items() if len(found) < most and method != "float"]
    return seeds(most) + (f"; of {', '.join(few)} fewer" if few else "")


def _ratios(found: list[tuple[str, int | None, Speed]], ours: str = "poeem") -> dict[str, Speed]:
    """Of every peer: the fastest of ours by it at each recall; of several sizes the fastest, on both sides.

    Args:
        found: by ``at_equal_recall``.
        ours: how the names of ours begin.
    """
    best = {method: speed for method, size, speed in found if size is None}
    best |= {method: speed for method, _, speed in found if method not in best}
    fastest = [max(filter(None, one), default=None) for one in zip(*(best[m] for m in best if m.startswith(ours)))]
    return {
        peer: [own / other if own and other else None for own, other in zip(fastest, best[peer])]
        for peer in PEERS
        if peer in best and any(fastest)
    }
