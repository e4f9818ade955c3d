"""Checksums of blocks: the first and the last block are always compared, the others by chance."""

from __future__ import annotations

import hashlib

import pytest

from poeem.bundle import block_checksums as module
from poeem.bundle.block_checksums import block_checksums, damaged_block


@pytest.fixture
def file(tmp_path, monkeypatch):
    """A file of 10 blocks of 100 bytes, the last of them shorter."""
    monkeypatch.setattr(module, "_BLOCK_BYTES", 25)
    monkeypatch.setattr(module, "_MOST_BLOCKS", 10)
    path = tmp_path / "x"
    path.write_bytes(bytes(range(250)) * 3 + bytes(200))
    return path


def test_blocks_are_longer_in_longer_files(file):
    length, digests = block_checksums(file).split(":")
    assert length == "100"
    data = file.read_bytes()
    expected = [hashlib.blake2b(data[at : at + 100], digest_size=8).hexdigest() for at in range(0, 950, 100)]
    assert digests == "".join(expected)


@pytest.mark.parametrize(("at", "sample", "found"), [(0, 2, 0), (949, 2, 900), (555, 10, 500), (555, 99, 500)])
def test_damage_is_found(file, at, sample, found):
    checksums = block_checksums(file)
    assert damaged_block(file, checksums, sample) is None
    data = bytearray(file.read_bytes())
    data[at] ^= 1
    file.write_bytes(data)
    assert damaged_block(file, checksums, sample) == found


def test_every_call_compares_others(file):
    checksums = block_checksums(file)
    data = bytearray(file.read_bytes())
    data[555] ^= 1
    file.write_bytes(data)
    found = {damaged_block(file, checksums, 4) for _ in range(200)}
    assert found == {None, 500}


def test_an_empty_file_has_no_block(tmp_path):
    (tmp_path / "x").write_bytes(b"")
    assert damaged_block(tmp_path / "x", block_checksums(tmp_path / "x")) is None


@pytest.mark.parametrize("checksums", ["", "100:", "0:" + "0" * 160, "-100:" + "0" * 160, "100:" + "g" * 160, "1:00"])
def test_checksums_of_another_file_are_refused(file, checksums):
    with pytest.raises(ValueError, match="none of a file of 950 bytes"):
        damaged_block(file, checksums)
