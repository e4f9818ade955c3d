"""Find an id that is there twice among more ids than fit into memory as objects."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

# Keys in memory at a time, 8 bytes each.
_KEYS = 2**25
_WEIGHTS = np.random.default_rng(0x9E3779B9).integers(1, 2**63, 4096, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
# Strings whose keys are equal are compared themselves; of many such keys the first ones suffice.
_COMPARED = 1000


def repeated_id(batches: Callable[[], Iterable[Any]], rows: int, *, keys: int = _KEYS) -> Any:
    """Return an id that is there more than once, or None.

    Every id has a key of 64 bits, which are sorted. Ids are read once for every ``keys`` rows.

    Args:
        batches: called to read all ids again: arrow arrays of integers or strings, without nulls.
        rows: number of ids.
        keys: keys in memory at a time.
    """
    passes = -(-rows // keys)
    for number in range(passes):
        found = [some[some % np.uint64(passes) == number] for some in map(id_keys, batches())]
        ordered = np.concatenate(found)
        del found
        ordered.sort()
        twice = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])[:_COMPARED]
        if len(twice):
            repeated = _repeated(batches(), twice)
            if repeated is not None:
                return repeated
    return None


def id_keys(ids: Any) -> np.ndarray:
    """Return a key for every id, uint64 ``(n,)``. Equal ids have equal keys; different integers have different ones."""
    import pyarrow as pa

    if pa.types.is_integer(ids.type):
        return _mixed(ids.cast(pa.int64()).to_numpy(zero_copy_only=False).view(np.uint64))
    array = ids.cast(pa.large_binary())
    offsets = np.frombuffer(array.buffers()[1], np.int64)[array.offset : array.offset + len(array) + 1]
    lengths = np.diff(offsets)
    data = array.buffers()[2]
    text = np.frombuffer(b"" if data is None else data, np.uint8)[offsets[0] : offsets[-1]].astype(np.uint64)
    place = np.arange(len(text)) - np.repeat(offsets[:-1] - offsets[0], lengths)
    terms = _mixed((text + np.uint64(1)) * _WEIGHTS[place % len(_WEIGHTS)])
    sums = np.zeros(len(array), np.uint64)
    filled = lengths > 0
    if filled.any():
        sums[filled] = np.add.reduceat(terms, (offsets[:-1] - offsets[0])[filled])
    return _mixed(sums + lengths.astype(np.uint64))


def _mixed(keys: np.ndarray) -> np.ndarray:
    """A one-to-one map of 64-bit numbers that spreads them (the finalizer of SplitMix64)."""
    keys = (keys ^ (keys >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    keys = (keys ^ (keys >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return keys ^ (keys >> np.uint64(31))


def _repeated(batches: Iterable[Any], keys: np.ndarray) -> Any:
    seen = set()
    for one in _with_keys(batches, keys):
        if one in seen:
            return one
        seen.add(one)
    return None


def _with_keys(batches: Iterable[Any], keys: np.ndarray) -> Iterator[Any]:
    import pyarrow as pa

    for batch in batches:
        yield from batch.filter(pa.array(np.isin(id_keys(batch), keys))).to_pylist()
