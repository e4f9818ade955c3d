"""Parquet files that would take far more memory than they have bytes are refused before they are read."""

import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from poeem.bundle.parquet_file import read_parquet

LARGE = "x" * 2**20


def read(path):
    return read_parquet(path, lambda file: None, fix="write it again")


@pytest.mark.parametrize(
    "columns",
    [
        {"title": [LARGE] * 400},  # one text in a dictionary
        {"title": pa.array([[LARGE]] * 400)},
        {"a": np.zeros(40_000_000)},
    ],
    ids=["text", "list of text", "numbers"],
)
@pytest.mark.parametrize("compression", ["NONE", "ZSTD"])
def test_a_small_file_of_a_large_table_is_refused(tmp_path, columns, compression):
    pq.write_table(pa.table(columns), tmp_path / "x.parquet", compression=compression)
    assert (tmp_path / "x.parquet").stat().st_size < 2**23
    before = pa.total_allocated_bytes()
    with pytest.raises(ValueError, match="would take more than the"):
        read(tmp_path / "x.parquet")
    assert pa.total_allocated_bytes() - before < 2**20


def test_columns_that_repeat_as_usual_are_read(tmp_path):
    table = pa.table(
        {
            "id": np.arange(200_000),
            "kind": ["books and magazines"] * 200_000,
            "code": pa.array([b"12345678"] * 200_000, pa.binary(8)),
            "tags": [["new", "used"]] * 200_000,
        }
    )
    pq.write_table(table, tmp_path / "x.parquet", compression="ZSTD")
    assert read(tmp_path / "x.parquet").equals(table)


def test_what_is_no_parquet_file_is_refused(tmp_path):
    (tmp_path / "x.parquet").write_bytes(b"PAR1" * 10)
    with pytest.raises(ValueError, match=r"x.parquet cannot be read \(.*\); write it again"):
        read(tmp_path / "x.parquet")
    (tmp_path / "x.parquet").unlink()
    os.mkfifo(tmp_path / "x.parquet")
    with pytest.raises(ValueError, match="is not a regular file"):
        read(tmp_path / "x.parquet")
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "missing.parquet")


def test_texts_that_are_not_utf8_are_refused(tmp_path):
    texts = pa.StringArray.from_buffers(1, pa.array([0, 2], pa.int32()).buffers()[1], pa.py_buffer(b"i\xff"))
    pq.write_table(pa.table({"id": texts}), tmp_path / "x.parquet")
    with pytest.raises(ValueError, match=r"x.parquet cannot be read .*UTF8.*; restore it"):
        read_parquet(tmp_path / "x.parquet", lambda file: None, fix="restore it")
