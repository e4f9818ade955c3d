"""Cuts and flips of a log: what was acknowledged is never lost without a word."""

import os
import warnings

import numpy as np
import pytest

from poeem.bundle import BundleEditor, open_bundle
from poeem.bundle.change_log import LogWriter, read_log
from poeem.bundle.manifest import HEAD_FILE, LOG_FILE

CHANGES, BASE = 6, bytes(range(32))
COUNT = int(os.environ.get("POEEM_HOSTILE_COUNT", "2000"))


@pytest.fixture
def log(tmp_path):
    """A folder with a log of six changes."""
    writer = LogWriter(tmp_path, BASE, read_log(tmp_path, BASE))
    for number in range(CHANGES):
        writer.append(bytes([number]) * (10 + number))
    writer.close()
    return tmp_path


def test_acknowledged_changes_are_never_lost_without_a_word(log):
    rng, refused, whole = np.random.default_rng(0), 0, (log / LOG_FILE).read_bytes()
    for trial in range(COUNT):
        data = bytearray(whole)
        at = int(rng.integers(len(data)))
        if trial % 2:
            del data[at:]
        else:
            data[at] ^= 1 << int(rng.integers(8))
        (log / LOG_FILE).write_bytes(data)
        try:
            assert len(read_log(log, BASE).payloads) == CHANGES
        except ValueError as error:
            refused += 1
            assert "restore" in str(error) or "upgrade" in str(error)
    assert refused == COUNT


@pytest.mark.parametrize("name", [LOG_FILE, HEAD_FILE])
def test_a_log_or_head_that_is_gone_is_missed(log, name):
    (log / name).unlink()
    with pytest.raises(ValueError, match=r"is missing|has no whole changes.head"):
        read_log(log, BASE)


def test_damage_of_the_head_loses_nothing(log):
    """One slot is enough to know of all changes but the last, and the last one counts because it is whole."""
    whole = (log / HEAD_FILE).read_bytes()
    for at in (*range(40), *range(4096, 4136)):
        data = bytearray(whole)
        data[at] ^= 4
        (log / HEAD_FILE).write_bytes(data)
        assert len(read_log(log, BASE).payloads) == CHANGES


def test_an_unfinished_change_is_dropped_and_said(tmp_path, small_bundle, draw):
    path = small_bundle(tmp_path / "b").path
    with BundleEditor(path) as editor:
        editor.add([1], draw(1))
    with (path / LOG_FILE).open("ab") as file:
        file.write(b"torn")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(open_bundle(path)) == 21
    with pytest.warns(UserWarning, match="4 bytes of a change that was never acknowledged"):
        BundleEditor(path).close()
