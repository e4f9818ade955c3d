"""A log or its head that is gone or damaged; cuts and flips of a log: `benchmarks/durability/logs.py`."""

import warnings

import pytest

from benchmarks.durability.logs import BASE, CHANGES, write_log
from poeem.bundle import BundleEditor, open_bundle
from poeem.bundle.change_log import read_log
from poeem.bundle.manifest import HEAD_FILE, LOG_FILE


@pytest.fixture
def log(tmp_path):
    """A folder with a log of six changes."""
    write_log(tmp_path)
    return tmp_path


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
