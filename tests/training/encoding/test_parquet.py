"""Items in many Parquet files: the codes of the layer, ids, and what is refused."""

from __future__ import annotations

import json
import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from poeem.cli.main import main
from poeem.training.encode import encode_items
from poeem.training.encoding import source as source_module
from poeem.training.encoding.open_source import open_source
from tests.training.encoding.conftest import DIM, ROWS, read_parts, write_files


@pytest.mark.parametrize("kind", ["int", "string", "rows"])
def test_many_files_are_encoded_as_one_array(world, tmp_path, kind, monkeypatch):
    monkeypatch.setattr(source_module, "BLOCK_ROWS", 64)
    monkeypatch.setattr("poeem.training.encoding.parquet_source.BLOCK_ROWS", 32)
    ids = {"int": list(range(7, 7 + ROWS)), "string": [f"é{i}" for i in range(ROWS)], "rows": None}[kind]
    pattern = write_files(tmp_path / "in", world.vectors, ids)
    facts = encode_items(world.bundle, pattern, tmp_path / "parts", rows_a_part=120)
    found, codes, lists = read_parts(tmp_path / "parts")
    assert found == (list(range(ROWS)) if ids is None else ids)
    np.testing.assert_array_equal(codes, world.codes)
    np.testing.assert_array_equal(lists, world.lists)
    # Row groups of 50 rows: two of them in a part of at most 120, none over two files of 233 or 234 rows.
    sizes = [pq.read_metadata(file).num_rows for file in sorted((tmp_path / "parts").glob("*.parquet"))]
    assert sizes == [100, 100, 34, 100, 100, 33, 100, 100, 33]
    assert (facts["rows"], facts["parts"]) == (ROWS, 9)
    assert json.loads((tmp_path / "parts" / "_poeem.json").read_text()) == facts
    assert not (tmp_path / "parts" / "_unfinished.json").exists()


def test_a_row_group_is_read_in_small_blocks(world, tmp_path, monkeypatch):
    monkeypatch.setattr("poeem.training.encoding.parquet_source.BLOCK_ROWS", 40)
    pattern = write_files(tmp_path / "in", world.vectors, None, files=1, group=ROWS)
    source = open_source(world.bundle, pattern, None)
    (part,) = source.parts(100)
    assert {len(block) for _, block in source.blocks(part)} == {40, ROWS % 40}


def change(vectors, row, value):
    changed = vectors.copy()
    changed[row] = value
    return changed


@pytest.mark.parametrize("ids", [list(range(ROWS)), [f"x{i}" for i in range(ROWS)]])
def test_an_id_in_two_files_is_refused_before_the_work(world, tmp_path, ids):
    pattern = write_files(tmp_path / "in", world.vectors, [*ids[:-1], ids[3]])
    with pytest.raises(ValueError, match=rf"ids must be unique: {ids[3]!r} is there more than once"):
        encode_items(world.bundle, pattern, tmp_path / "parts")
    assert not (tmp_path / "parts").exists()


def test_rows_that_cannot_be_encoded_are_named(world, tmp_path):
    ids = list(range(ROWS))
    cases = {
        "nan": (change(world.vectors, 400, np.nan), ids, r"items-1.parquet: row 166 holds NaN or infinity"),
        "inf": (change(world.vectors, 5, np.inf), ids, r"items-0.parquet: row 5 holds NaN or infinity"),
        "null": (world.vectors, [*ids[:300], None, *ids[301:]], r"items-1.parquet: column 'id': row 66 has no id"),
        "float": (world.vectors, [float(i) for i in ids], "ids must be integers or strings, not double"),
        "wide": (np.ones((9, DIM + 1), np.float32), ids[:9], "have 9 columns, the index has dim=8"),
    }
    for name, (vectors, some, message) in cases.items():
        pattern = write_files(tmp_path / name, vectors, some)
        with pytest.raises(ValueError, match=message):
            encode_items(world.bundle, pattern, tmp_path / "parts")
        assert not (tmp_path / "parts").exists(), name


def test_files_of_several_schemas_are_refused(world, tmp_path):
    pattern = write_files(tmp_path / "in", world.vectors, list(range(ROWS)))
    odd = pa.table({"id": ["a"], "v": pa.array([[0.0] * DIM], pa.list_(pa.float32(), DIM))})
    pq.write_table(odd, tmp_path / "in" / "items-9.parquet")
    with pytest.raises(ValueError, match=r"items-9.parquet: column 'id' is string, in items-0.parquet int64"):
        encode_items(world.bundle, pattern, tmp_path / "parts")
    pq.write_table(odd.select(["id"]), tmp_path / "in" / "items-9.parquet")
    with pytest.raises(ValueError, match=r"column 'id' is string"):
        encode_items(world.bundle, pattern, tmp_path / "parts")
    (tmp_path / "in" / "items-9.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(ValueError, match=r"items-9.parquet: cannot be read as Parquet"):
        encode_items(world.bundle, pattern, tmp_path / "parts")
    with pytest.raises(ValueError, match="no file has such a name"):
        encode_items(world.bundle, tmp_path / "nowhere" / "*.parquet", tmp_path / "parts")


def test_parts_among_the_items_are_refused(world, tmp_path):
    write_files(tmp_path / "in", world.vectors, None)
    with pytest.raises(ValueError, match="lies in the folder of the items"):
        encode_items(world.bundle, tmp_path / "in", tmp_path / "in" / "parts")


def test_the_command_shows_rows_per_second(world, tmp_path, capsys):
    pattern = write_files(tmp_path / "in", world.vectors, None)
    arguments = ["encode", world.bundle.path, "--items", pattern, "--out", tmp_path / "parts", "--processes", "1"]
    assert main([*map(str, arguments)]) == 0
    printed = capsys.readouterr()
    assert re.search(r"encode: 700/700 rows  [\d,]+ rows/s  remaining 0:00:00", printed.err)
    assert "700 items as OPQ2,IVF4,PQ2x4 in 3 part(s)" in printed.out
    assert main([*map(str, arguments)]) == 2
    assert "is there already; choose another folder" in capsys.readouterr().err
