"""An encoding that was killed, changed or damaged in between."""

from __future__ import annotations

import random
import time

import numpy as np
import pytest

from poeem.bundle import open_bundle
from poeem.engines.faiss.coded_parts import open_parts
from poeem.training.encode import encode_items, make_encoder
from poeem.training.encoding.encode_part import PartEncoder
from tests.forked import start
from tests.training.encoding.conftest import ROWS, read_parts, write_files

KILLS = 3


def slow_encoder(job):
    """The encoder of a process, with time between the blocks."""
    return slowed(make_encoder(job))


def slowed(encoder):
    read = encoder._source.blocks

    def slow_blocks(part):
        for block in read(part):
            time.sleep(0.02)
            yield block

    encoder._source.blocks = slow_blocks
    return encoder


def encode_slowly(folder, items, out, processes):
    """Encode in a process that is killed."""
    from poeem.training import encode

    if processes == 1:
        encode.PartEncoder = lambda *arguments: slowed(PartEncoder(*arguments))
    encode.make_encoder = slow_encoder
    encode_items(open_bundle(folder), items, out, rows_a_part=50, processes=processes)


def finished_parts(out):
    return {file.name: file.stat().st_mtime_ns for file in out.glob("part-*.parquet")}


@pytest.mark.slow
def test_after_kills_only_the_part_in_progress_is_encoded_again(world, tmp_path):
    pattern = write_files(tmp_path / "in", world.vectors, [f"x{i}" for i in range(ROWS)], group=25)
    out, rng = tmp_path / "parts", random.Random(0)
    before = {}
    for number in range(KILLS):
        process = start(encode_slowly, world.bundle.path, pattern, out, 1)
        until = time.monotonic() + 120
        # At a random moment of the encoding itself, whatever the start took.
        while len(finished_parts(out)) < 1 + 2 * number and process.is_alive() and time.monotonic() < until:
            time.sleep(0.002)
        time.sleep(rng.random() * 0.05)
        process.kill()
        process.join()
        after = finished_parts(out)
        assert {name: after[name] for name in before} == before
        assert len(after) > len(before)
        # What the killed process left of its part.
        assert len(list(out.glob(".part-*"))) <= 1
        before = after
    assert len(before) < 15, "the kills came too late to show anything"
    with pytest.raises(ValueError, match="was interrupted; repeat poeem encode to finish it"):
        open_parts(world.bundle, out)
    encode_items(world.bundle, pattern, out, rows_a_part=50)
    after = finished_parts(out)
    assert {name: after[name] for name in before} == before
    ids, codes, lists = read_parts(out)
    assert ids == [f"x{i}" for i in range(ROWS)]
    np.testing.assert_array_equal(codes, world.codes)
    np.testing.assert_array_equal(lists, world.lists)
    assert not list(out.glob(".part-*"))


@pytest.mark.slow
def test_processes_end_with_the_one_that_started_them(world, tmp_path):
    pattern = write_files(tmp_path / "in", world.vectors, None, group=5)
    out = tmp_path / "parts"
    process = start(encode_slowly, world.bundle.path, pattern, out, 2)
    until = time.monotonic() + 120
    while len(finished_parts(out)) < 2 and process.is_alive() and time.monotonic() < until:
        time.sleep(0.005)
    process.kill()
    process.join()
    time.sleep(1.5)  # they end as soon as the system lets them run
    before = finished_parts(out)
    assert 2 <= len(before) < 15
    assert len(list(out.glob(".part-*"))) <= 2
    time.sleep(0.6)
    assert finished_parts(out) == before
    encode_items(world.bundle, pattern, out, rows_a_part=50, processes=2)
    assert {name: finished_parts(out)[name] for name in before} == before
    np.testing.assert_array_equal(read_parts(out)[1], world.codes)


@pytest.fixture
def interrupted(world, tmp_path, monkeypatch):
    """Pattern of the items and a folder with the first parts."""
    pattern, out = write_files(tmp_path / "in", world.vectors, None), tmp_path / "parts"
    encode = PartEncoder.encode

    def stop_at_four(self, part, progress):
        if part.number == 4:
            raise KeyboardInterrupt
        encode(self, part, progress)

    with monkeypatch.context() as patch:
        patch.setattr(PartEncoder, "encode", stop_at_four)
        with pytest.raises(KeyboardInterrupt):
            encode_items(world.bundle, pattern, out, rows_a_part=100)
    assert len(finished_parts(out)) == 4
    return pattern, out


def test_ctrl_c_leaves_what_can_be_resumed(world, interrupted):
    pattern, out = interrupted
    before = finished_parts(out)
    encode_items(world.bundle, pattern, out, rows_a_part=100)
    np.testing.assert_array_equal(read_parts(out)[1], world.codes)
    assert {name: finished_parts(out)[name] for name in before} == before


def test_changed_items_are_refused(world, interrupted):
    pattern, out = interrupted
    # The same sizes, other values.
    write_files(pattern.parent, world.vectors[::-1].copy(), None)
    with pytest.raises(ValueError, match=r"another encoding \(the items have changed\); delete the folder"):
        encode_items(world.bundle, pattern, out, rows_a_part=100)


def test_another_index_and_another_division_are_refused(world, interrupted, tmp_path):
    pattern, out = interrupted
    from dataclasses import replace

    other = replace(world.bundle, fingerprint="0" * 64)
    with pytest.raises(ValueError, match=r"another encoding \(fingerprint was"):
        encode_items(other, pattern, out, rows_a_part=100)
    with pytest.raises(ValueError, match=r"another encoding \(parts was 9"):
        encode_items(world.bundle, pattern, out, rows_a_part=50)
    (out / "_unfinished.json").write_text("{")
    with pytest.raises(ValueError, match=r"_unfinished.json: is damaged; delete the folder"):
        encode_items(world.bundle, pattern, out, rows_a_part=100)


def test_damaged_and_foreign_parts_are_refused(world, interrupted, tmp_path):
    pattern, out = interrupted
    part = out / "part-00001.parquet"
    good = part.read_bytes()
    # One bit in the middle of the codes: only a checksum shows it.
    spot = good.index(b"".join([bytes([a | b << 4]) for a, b in world.codes[120:130].tolist()]))
    part.write_bytes(good[:spot] + bytes([good[spot] ^ 1]) + good[spot + 1 :])
    with pytest.raises(ValueError, match=r"part-00001.parquet: is damaged .*; delete this file and repeat"):
        encode_items(world.bundle, pattern, out, rows_a_part=100)
    part.write_bytes((out / "part-00002.parquet").read_bytes())
    with pytest.raises(ValueError, match=r"part-00001.parquet: is a part of another encoding"):
        encode_items(world.bundle, pattern, out, rows_a_part=100)
    part.unlink()
    encode_items(world.bundle, pattern, out, rows_a_part=100)
    np.testing.assert_array_equal(read_parts(out)[1], world.codes)
    assert part.read_bytes() == good


def test_export_refuses_a_folder_without_one_of_its_parts(world, interrupted):
    pattern, out = interrupted
    facts = encode_items(world.bundle, pattern, out, rows_a_part=100)
    assert len(open_parts(world.bundle, out)) == facts["parts"] == 9
    (out / "part-00003.parquet").unlink()
    with pytest.raises(ValueError, match="has 8 of 9 parts; encode the items again"):
        open_parts(world.bundle, out)
