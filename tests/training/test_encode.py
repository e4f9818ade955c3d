from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from poeem.functional.packing import unpack_codes
from poeem.training.encode import encode_items
from poeem.training.encoding import source as source_module
from poeem.training.encoding.other_sources import NpySource
from poeem.training.load import load_run


@pytest.fixture(scope="module")
def run(finished):
    return load_run(finished[0])


def read_parts(folder, run) -> tuple[list, np.ndarray, np.ndarray]:
    table = pq.read_table(folder)
    packed = np.frombuffer(b"".join(table["code"].to_pylist()), np.uint8).reshape(len(table), -1)
    return (
        table["id"].to_pylist(),
        unpack_codes(packed, run.bundle.spec.M, run.bundle.spec.nbits),
        table["list"].to_numpy(),
    )


def test_vectors_in_parts(run, tmp_path):
    vectors = run.items(np.arange(run.interactions.n_items))
    np.save(tmp_path / "v.npy", vectors)
    facts = encode_items(run, tmp_path / "v.npy", tmp_path / "parts", rows_a_part=32)
    assert facts["parts"] == 3
    assert json.loads((tmp_path / "parts" / "_poeem.json").read_text()) == facts
    ids, codes, lists = read_parts(tmp_path / "parts", run)
    assert ids == list(range(len(vectors)))
    np.testing.assert_array_equal(codes, run.bundle.codes)
    np.testing.assert_array_equal(lists, run.bundle.lists)


def test_known_ids(run, tmp_path):
    pq.write_table(pa.table({"item": ["i5", "i12"]}), tmp_path / "i.parquet")
    encode_items(run, tmp_path / "i.parquet", tmp_path / "parts")
    ids, codes, _ = read_parts(tmp_path / "parts", run)
    assert ids == ["i5", "i12"]
    np.testing.assert_array_equal(codes, run.bundle.codes[run.bundle.row_of(ids)])


def test_what_cannot_be_encoded_is_named_and_leaves_nothing(run, tmp_path):
    vectors = np.ones((5, 8), np.float32)
    vectors[3, 2] = np.nan
    np.save(tmp_path / "nan.npy", vectors)
    np.save(tmp_path / "zero.npy", np.zeros((2, 8), np.float32))
    np.save(tmp_path / "wide.npy", np.ones((2, 9), np.float32))
    np.save(tmp_path / "ints.npy", np.ones((2, 8), np.int64))
    (tmp_path / "empty.npy").write_bytes(b"")
    (tmp_path / "odd.npy").write_bytes(b"\x93NUMPY odd")
    pq.write_table(pa.table({"item": ["i5", "nope"]}), tmp_path / "unknown.parquet")
    pq.write_table(pa.table({"id": ["i5"]}), tmp_path / "column.parquet")
    pq.write_table(pa.table({"item": ["i5", "i5"]}), tmp_path / "twice.parquet")
    for name, message in {
        "nan.npy": "row 3 holds NaN",
        "zero.npy": "zero rows",
        "wide.npy": "9 columns, the index has dim=8",
        "ints.npy": "must hold floats",
        "empty.npy": "the file is empty",
        "odd.npy": "cannot be read as .npy",
        "none.npy": "no such file",
        "unknown.parquet": "'nope'",
        "column.parquet": "column 'item' is missing",
        "twice.parquet": "'i5' is there more than once",
        "none.parquet": "no such file",
        "none.txt": "must end in",
    }.items():
        with pytest.raises(ValueError, match=message):
            encode_items(run, tmp_path / name, tmp_path / "parts")
        assert not (tmp_path / "parts").exists(), name


def test_a_folder_that_is_taken_is_refused(run, tmp_path):
    (tmp_path / "x").write_text("")
    with pytest.raises(ValueError, match="is there already"):
        encode_items(run, tmp_path / "v.npy", tmp_path)


@pytest.mark.parametrize("column", [None, "v"])
def test_a_bundle_alone_encodes_vectors_as_its_run_does(run, tmp_path, column):
    vectors = run.items(np.arange(40))
    np.save(tmp_path / "v.npy", vectors)
    fixed = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), 8)
    pq.write_table(pa.table({"id": [f"x{i}" for i in range(40)], "v": fixed}), tmp_path / "v.parquet")
    encode_items(run.bundle, tmp_path / "v.npy", tmp_path / "a")
    encode_items(run.bundle, tmp_path / "v.parquet", tmp_path / "b", column=column, rows_a_part=16)
    for name, ids in (("a", list(range(40))), ("b", [f"x{i}" for i in range(40)])):
        found, codes, lists = read_parts(tmp_path / name, run)
        assert found == ids
        np.testing.assert_array_equal(codes, run.bundle.codes[:40])
        np.testing.assert_array_equal(lists, run.bundle.lists[:40])


def test_few_rows_are_in_memory_at_a_time(run, tmp_path, monkeypatch):
    vectors = np.random.default_rng(0).standard_normal((70, run.bundle.dim)).astype("float32")
    np.save(tmp_path / "v.npy", vectors)
    encode_items(run, tmp_path / "v.npy", tmp_path / "whole", rows_a_part=30)
    monkeypatch.setattr(source_module, "BLOCK_ROWS", 8)
    source = NpySource(tmp_path / "v.npy", run.bundle.dim)
    sizes = [len(block) for part in source.parts(30) for _, block in source.blocks(part)]
    assert sizes == [8, 8, 8, 6, 8, 8, 8, 6, 8, 2]
    encode_items(run, tmp_path / "v.npy", tmp_path / "blocks", rows_a_part=30)
    for name in ("part-00000.parquet", "part-00001.parquet", "part-00002.parquet"):
        assert pq.read_table(tmp_path / "blocks" / name).equals(pq.read_table(tmp_path / "whole" / name))


def test_an_item_there_twice_is_refused(run, tmp_path):
    one = str(run.bundle.ids[0])
    (tmp_path / "i.csv").write_text(f"item\n{one}\n{run.bundle.ids[1]}\n{one}\n")
    with pytest.raises(ValueError, match="is there more than once; keep one row per item"):
        encode_items(run, tmp_path / "i.csv", tmp_path / "parts")
