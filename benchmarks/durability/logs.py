"""Cuts and flips of ``changes.log``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from poeem.bundle.change_log import LogWriter, read_log
from poeem.bundle.manifest import LOG_FILE

BASE, CHANGES = bytes(range(32)), 6


def write_log(folder: Path) -> None:
    """A log of six acknowledged changes."""
    writer = LogWriter(folder, BASE, read_log(folder, BASE))
    for number in range(CHANGES):
        writer.append(bytes([number]) * (10 + number))
    writer.close()


def attack(folder: Path, trials: int, seed: int) -> dict[str, Any]:
    """Cut or flip the log; all changes must be found, or the log be refused with what to do."""
    write_log(folder)
    rng, whole = np.random.default_rng(seed), (folder / LOG_FILE).read_bytes()
    counts = {"trials": trials, "refused": 0, "changes lost without a word": 0, "no advice": 0}
    for trial in range(trials):
        data, at = bytearray(whole), int(rng.integers(len(whole)))
        if trial % 2:
            del data[at:]
        else:
            data[at] ^= 1 << int(rng.integers(8))
        (folder / LOG_FILE).write_bytes(data)
        try:
            counts["changes lost without a word"] += len(read_log(folder, BASE).payloads) != CHANGES
        except ValueError as error:
            counts["refused"] += 1
            counts["no advice"] += not any(advice in str(error) for advice in ("restore", "upgrade"))
    return counts
