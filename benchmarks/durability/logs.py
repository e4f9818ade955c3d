"""Cuts and flips of ``changes.log``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from poeem.bundle.change_log import LogWriter, read_log
from poeem.bundle.manifest import LOG_FILE

_BASE, _CHANGES = bytes(range(32)), 6


def attack(folder: Path, trials: int, seed: int) -> dict[str, Any]:
    """Cut or flip a log of six acknowledged changes; all of them must be found, or the log be refused."""
    writer = LogWriter(folder, _BASE, read_log(folder, _BASE))
    for number in range(_CHANGES):
        writer.append(bytes([number]) * (10 + number))
    writer.close()
    rng, whole = np.random.default_rng(seed), (folder / LOG_FILE).read_bytes()
    counts = {"trials": trials, "refused": 0, "changes lost without a word": 0}
    for trial in range(trials):
        data, at = bytearray(whole), int(rng.integers(len(whole)))
        if trial % 2:
            del data[at:]
        else:
            data[at] ^= 1 << int(rng.integers(8))
        (folder / LOG_FILE).write_bytes(data)
        try:
            counts["changes lost without a word"] += len(read_log(folder, _BASE).payloads) != _CHANGES
        except ValueError:
            counts["refused"] += 1
    return counts
