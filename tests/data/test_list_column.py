from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from poeem.data import list_column
from poeem.data.vectors import read_vectors


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("POEEM_CACHE", str(tmp_path / "cache"))


def lists_of(values: np.ndarray, kind: str) -> pa.Array:
    flat = pa.array(values.reshape(-1))
    if kind == "fixed":
        return pa.FixedSizeListArray.from_arrays(flat, values.shape[1])
    if kind == "tensor":
        tensor = pa.fixed_shape_tensor(flat.type, [values.shape[1]])
        return pa.ExtensionArray.from_storage(tensor, lists_of(values, "fixed"))
    offsets = np.arange(len(values) + 1) * values.shape[1]
    array = pa.ListArray if kind == "list" else pa.LargeListArray
    return array.from_arrays(pa.array(offsets, pa.int32() if kind == "list" else pa.int64()), flat)


@pytest.mark.parametrize("kind", ["fixed", "list", "large", "tensor"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_every_row_comes_back_in_its_place(tmp_path, monkeypatch, kind, dtype):
    monkeypatch.setattr(list_column, "BYTES", 7 * 8 * 3)  # 7 rows a batch, across row groups of 10
    values = np.random.default_rng(0).normal(size=(53, 3)).astype(dtype)
    table = pa.table({"id": np.arange(53), "vector": lists_of(values, kind)})
    pq.write_table(table, tmp_path / "v.parquet", row_group_size=10)
    for column in ("vector", None):
        found = read_vectors(tmp_path / "v.parquet", dim=3, column=column)
        assert isinstance(found, np.memmap)
        assert found.dtype == dtype
        assert not found.flags.writeable
        np.testing.assert_array_equal(found, values)
    del found
    assert list((tmp_path / "cache").iterdir()) == []  # nothing is left behind


def test_slices_of_a_larger_array_are_read_as_they_are(tmp_path):
    values = np.arange(12, dtype=np.float32).reshape(6, 2)
    for kind in ("fixed", "list"):
        pq.write_table(pa.table({"v": lists_of(values, kind)[2:5]}), tmp_path / "v.pq")
        np.testing.assert_array_equal(read_vectors(tmp_path / "v.pq"), values[2:5])


@pytest.mark.parametrize(
    ("columns", "column", "message"),
    [
        ({"v": [[1.0, 2.0], [1.0]]}, "v", r"column 'v', row 2: has 1 numbers, the first row has 2"),
        ({"v": [[1.0], None]}, None, r"row 2: the vector is missing; fill it in, or drop the row"),
        ({"v": [[1.0, 2.0], [1.0, None]]}, None, r"row 2: a number is missing"),
        ({"v": [[1.0]]}, "w", r"column 'w' is missing \(columns of vectors: 'v'\)"),
        ({"v": [[1]], "w": [[1.0]]}, "v", r"column 'v' holds list<.*int64>, not lists of floats"),
        ({"v": [[1.0]], "w": [[1.0]]}, None, r"columns 'v', 'w' all hold lists of floats; name one with column"),
        ({"v": [1.0]}, None, r"no column holds lists of floats; .* \(found: 'v' \(double\)\)"),
        ({"v": pa.array([[]], pa.list_(pa.float32()))}, None, "row 1: the vector is empty"),
        ({"v": pa.array([], pa.list_(pa.float32()))}, None, "holds no rows"),
    ],
)
def test_what_is_wrong_is_named_with_its_row(tmp_path, columns, column, message):
    pq.write_table(pa.table(columns), tmp_path / "v.parquet")
    with pytest.raises(ValueError, match=message):
        read_vectors(tmp_path / "v.parquet", column=column)


def test_a_ragged_row_in_a_later_batch_has_its_number_in_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(list_column, "BYTES", 4 * 8)
    pq.write_table(pa.table({"v": [[0.5]] * 9 + [[0.5, 0.5]]}), tmp_path / "v.parquet")
    with pytest.raises(ValueError, match="row 10: has 2 numbers"):
        read_vectors(tmp_path / "v.parquet")


def test_other_files_and_widths(tmp_path):
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(ValueError, match=r"bad.parquet: cannot be read as Parquet"):
        read_vectors(tmp_path / "bad.parquet")
    pq.write_table(pa.table({"v": [[1.0, 2.0]]}), tmp_path / "v.parquet")
    with pytest.raises(ValueError, match="vectors have 2 columns, the index has dim=3"):
        read_vectors(tmp_path / "v.parquet", dim=3)
    np.save(tmp_path / "v.npy", np.ones((2, 2)))
    with pytest.raises(ValueError, match=r"column \(='v'\) is for Parquet files"):
        read_vectors(tmp_path / "v.npy", column="v")


def test_unusable_cache_folder_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("POEEM_CACHE", str(tmp_path / "file" / "below"))
    pq.write_table(pa.table({"v": [[1.0, 2.0]]}), tmp_path / "v.parquet")
    with pytest.raises(RuntimeError, match="set POEEM_CACHE to one that can be written"):
        read_vectors(tmp_path / "v.parquet")


def test_a_page_that_is_damaged_is_the_files_fault(tmp_path):
    path = tmp_path / "v.parquet"
    values = np.random.default_rng(0).normal(size=(1000, 4))
    pq.write_table(pa.table({"v": lists_of(values, "list")}), path, compression="zstd")
    content = bytearray(path.read_bytes())
    content[4:40] = b"\xff" * 36
    path.write_bytes(content)
    with pytest.raises(ValueError, match="cannot be read as Parquet"):
        read_vectors(path)
