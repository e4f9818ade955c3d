"""Faiss files that are damaged or hostile: refused by their checksum, or before they take memory."""

from __future__ import annotations

import os
import resource
import time

import faiss
import numpy as np
import pytest

from poeem.engines.export import export
from poeem.engines.faiss import from_faiss, open_engine
from poeem.engines.faiss.index_parts import parts_of
from poeem.engines.refresh import refresh

FLIPS = int(os.environ.get("POEEM_HOSTILE_COUNT", "60"))


@pytest.mark.parametrize("spec", ["OPQ4,IVF8,PQ4", "PQ4x4", "RQ3x6"])
def test_every_flip_is_seen(make_bundle, tmp_path, spec):
    file = tmp_path / "x.faiss"
    export(make_bundle(spec), "faiss", file)
    rng, whole = np.random.default_rng(0), file.read_bytes()
    for _ in range(FLIPS):
        data = bytearray(whole)
        data[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))
        file.write_bytes(data)
        for read in (open_engine, from_faiss):
            with pytest.raises(ValueError, match="is damaged, or not the file of its report"):
                read(file)


def test_lists_on_disk_are_compared_too(make_bundle, tmp_path):
    report = export(make_bundle(), "faiss", tmp_path / "x.faiss", on_disk=True)
    assert report.lists_file is not None
    lists = tmp_path / report.lists_file
    data = bytearray(lists.read_bytes())
    data[len(data) // 2] ^= 1
    lists.write_bytes(data)
    with pytest.raises(ValueError, match=f"{report.lists_file}' is damaged"):
        open_engine(tmp_path / "x.faiss")
    lists.unlink()
    with pytest.raises(ValueError, match="is missing"):
        open_engine(tmp_path / "x.faiss")


def test_a_file_without_a_report_is_not_proven(make_bundle, tmp_path):
    bundle = make_bundle()
    export(bundle, "faiss", tmp_path / "x.faiss")
    assert open_engine(tmp_path / "x.faiss").proven
    assert from_faiss(tmp_path / "x.faiss").proven
    assert from_faiss(tmp_path / "x.faiss", check=False).proven
    (tmp_path / "x.faiss.json").unlink()
    assert not open_engine(tmp_path / "x.faiss").proven
    assert not from_faiss(tmp_path / "x.faiss").proven
    assert open_engine(bundle).proven


@pytest.mark.parametrize("on_disk", [False, True])
def test_without_a_whole_check_a_sample_of_blocks_is_compared(make_bundle, tmp_path, on_disk):
    report = export(make_bundle(), "faiss", tmp_path / "x.faiss", on_disk=on_disk)
    assert len(open_engine(tmp_path / "x.faiss", check=False)) == report.rows
    file = tmp_path / (report.lists_file or "x.faiss")
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    for read in (open_engine, from_faiss):
        with pytest.raises(ValueError, match=f"{file.name}' is damaged.*the block at byte 0 differs"):
            read(tmp_path / "x.faiss", check=False)
    sidecar = tmp_path / "x.faiss.json"
    sidecar.write_text(sidecar.read_text().replace("4194304:", "4194304:00"))
    with pytest.raises(ValueError, match="checksums of the blocks are none of a file of"):
        open_engine(tmp_path / "x.faiss", check=False)


@pytest.mark.parametrize("check", [True, False])
def test_refresh_writes_a_damaged_file_again(make_bundle, tmp_path, check):
    bundle, file = make_bundle(), tmp_path / "x.faiss"
    export(bundle, "faiss", file)
    assert refresh(bundle, file, check=check) is None
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    assert refresh(bundle, file, check=check) is not None
    assert open_engine(file).proven
    assert refresh(bundle, file, check=check) is None


@pytest.mark.parametrize("spec", ["OPQ4,IVF8,PQ4", "PQ4x4", "IVF8,RQ3x6"])
@pytest.mark.parametrize("metric", ["ip", "l2"])
def test_a_damaged_header_takes_neither_time_nor_memory(make_bundle, tmp_path, spec, metric):
    """Without a report nothing shows the damage but what faiss reads: its sizes are bounded by the file's length."""
    file = tmp_path / "x.faiss"
    export(make_bundle(spec, metric), "faiss", file)
    (tmp_path / "x.faiss.json").unlink()
    rng, whole = np.random.default_rng(0), file.read_bytes()
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    for trial in range(FLIPS):
        data = bytearray(whole)
        # The most significant bytes of sizes are in the first hundred.
        data[int(rng.integers(200 if trial % 2 else len(data)))] ^= 1 << int(rng.integers(8))
        file.write_bytes(data)
        try:
            from_faiss(file)
        except ValueError as error:
            assert "\n" not in str(error)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 * 1024
    assert time.perf_counter() - start < 5 + FLIPS * 0.1


@pytest.mark.parametrize("kind", ["FIFO", "link to a device", "folder"])
def test_what_is_no_regular_file_is_refused_at_once(tmp_path, kind):
    if kind == "FIFO":
        os.mkfifo(tmp_path / "x")
    elif kind == "folder":
        (tmp_path / "x").mkdir()
    else:
        (tmp_path / "x").symlink_to("/dev/zero")
    for read in (open_engine, from_faiss):
        with pytest.raises((ValueError, FileNotFoundError), match=r"no faiss file|no bundle"):
            read(tmp_path / "x")


def test_tables_of_l2_are_there_after_reading(make_bundle, tmp_path):
    export(make_bundle("IVF8,PQ4", "l2"), "faiss", tmp_path / "x.faiss")
    assert parts_of(open_engine(tmp_path / "x.faiss").index).inner.use_precomputed_table == 1
    limits = faiss.get_deserialization_vector_byte_limit(), faiss.get_deserialization_loop_limit()
    assert limits == (2**40, 0)
