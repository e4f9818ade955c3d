"""Writing, opening and refusing bundles."""

from __future__ import annotations

import os
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from poeem.bundle import open_bundle, write_bundle
from poeem.bundle.fingerprint import fingerprint
from poeem.bundle.manifest import FileRecord
from poeem.spec import IndexSpec
from tests.bundle.parts import DIM, ROWS, change_arrays, parts


@pytest.mark.parametrize("spec", ["PQ3", "PQ3x4", "OPQ3,PQ3x6", "IVF4,PQ3x7", "OPQ3,IVF4,PQ3x5", "RQ5x6", "IVF4,RQ2"])
@pytest.mark.parametrize("string_ids", [False, True])
def test_what_is_written_is_what_is_read(tmp_path, spec, string_ids):
    given = parts(spec, metric="l2")
    if string_ids:
        given["ids"] = [f"item {i} é" for i in given["ids"]]
    columns = pa.table({"title": [f"t{i}" for i in range(ROWS)], "year": list(range(ROWS))})
    training = {"epochs": np.int64(3), "loss": np.float32(0.5), "seeds": (1, 2)}
    written = write_bundle(tmp_path / "b", **given, columns=columns, training=training)
    read = open_bundle(tmp_path / "b")
    for bundle in (written, read):
        assert bundle.spec == given["spec"]
        assert (bundle.metric, bundle.dim, len(bundle)) == ("l2", DIM, ROWS)
        assert set(bundle.arrays) == set(given["arrays"])
        for name, array in given["arrays"].items():
            np.testing.assert_array_equal(bundle.arrays[name], array)
        assert bundle.ids.dtype == (object if string_ids else np.int64)
        assert bundle.ids.tolist() == list(given["ids"])
        assert bundle.codes.dtype == np.uint8
        np.testing.assert_array_equal(bundle.codes, given["codes"])
        if given["lists"] is None:
            assert bundle.lists is None
        else:
            assert bundle.lists.dtype == np.int32
            np.testing.assert_array_equal(bundle.lists, given["lists"])
        assert bundle.columns.equals(columns)
        assert dict(bundle.training) == {"epochs": 3, "loss": 0.5, "seeds": [1, 2]}
        assert bundle.fingerprint == fingerprint(given["spec"], "l2", DIM, given["arrays"])
        assert bundle.nbytes == sum(
            os.path.getsize(tmp_path / "b" / f) for f in ("arrays.safetensors", "items.parquet")
        )
    assert sorted(p.name for p in tmp_path.iterdir()) == ["b"]


def test_codes_are_stored_as_faiss_packs_them(path):
    table = pq.read_table(path / "items.parquet")
    assert table.schema.field("code").type == pa.binary(2)
    row = open_bundle(path).codes[7].tolist()
    stream = sum(word << (5 * m) for m, word in enumerate(row))
    assert table["code"][7].as_py() == stream.to_bytes(2, "little")


def test_opens_from_the_run_and_from_the_bundle(path):
    assert open_bundle(path.parent).fingerprint == open_bundle(str(path)).fingerprint


def test_nothing_in_a_bundle_can_be_changed(path):
    given = parts()
    for bundle in (open_bundle(path), write_bundle(path.parent / "other", **given)):
        for array in (bundle.ids, bundle.codes, bundle.lists, *bundle.arrays.values()):
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 0
        with pytest.raises(AttributeError):
            bundle.metric = "ip"
        with pytest.raises(TypeError):
            bundle.arrays["coarse"] = None
    # and the caller's arrays neither freeze nor leak in
    for array in (given["ids"], given["codes"], given["lists"], *given["arrays"].values()):
        array[:] = 0
    assert bundle.ids.any()
    assert bundle.codes.any()
    assert bundle.arrays["codebooks"].any()


def test_rows_of_ids(path, tmp_path):
    bundle = open_bundle(path)
    rows = np.array([3, 0, 29])
    np.testing.assert_array_equal(bundle.row_of(bundle.ids[rows]), rows)
    with pytest.raises(ValueError, match=r"ids: 7 is not among the 30 items of the bundle \(1 unknown\)"):
        bundle.row_of([bundle.ids[0], 7])
    with pytest.raises(ValueError, match="ids must be integers as in the bundle"):
        bundle.row_of(["7"])
    words = write_bundle(tmp_path / "words", **{**parts(), "ids": [f"w{i}" for i in range(ROWS)]})
    np.testing.assert_array_equal(words.row_of(["w3", "w29"]), [3, 29])
    with pytest.raises(ValueError, match="ids: 'x' is not among"):
        words.row_of(["x"])
    with pytest.raises(ValueError, match="ids must be strings"):
        words.row_of([3])


def test_the_fingerprint_is_of_spec_metric_dim_and_arrays_alone(tmp_path):
    given = parts()
    first = write_bundle(tmp_path / "a", **given).fingerprint
    assert (
        write_bundle(tmp_path / "a", **{**given, "ids": given["ids"] + 1, "codes": given["codes"][::-1]}).fingerprint
        == first
    )
    arrays = {**given["arrays"], "coarse": given["arrays"]["coarse"] + np.float32(1e-6)}
    for change in ({"metric": "ip"}, {"arrays": arrays}):
        assert write_bundle(tmp_path / "b", **{**given, **change}).fingerprint != first


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"metric": "dot"}, r"metric \(='dot'\) must be one of 'ip', 'l2', 'cosine'"),
        ({"dim": 13}, r"dim \(=13\) must be divisible by M \(=3\)"),
        ({"dim": 15}, r"array '\w+' has shape"),
        ({"ids": np.arange(ROWS - 1)}, r"ids \(n=29\) and codes \(n=30\)"),
        ({"ids": [1] * 2 + list(range(2, ROWS))}, r"ids must be unique: 1 is there more than once \(1 rows too many\)"),
        ({"ids": ["a", "b"] * 15}, r"ids must be unique: 'a' is there more than once \(28 rows too many\)"),
        ({"ids": np.arange(ROWS) - 1}, "ids hold -1"),
        ({"ids": np.arange(ROWS) / 2}, "ids must be integers or strings, not double"),
        ({"ids": ["a", 1] * 15}, "ids must be all integers or all strings"),
        ({"ids": [None, *range(1, ROWS)]}, "ids have 1 missing values"),
        ({"ids": np.arange(ROWS, dtype=np.uint64) + 2**63}, "ids must fit a signed 64-bit integer"),
        ({"ids": []}, "ids are empty"),
        ({"codes": np.full((ROWS, 3), 32)}, r"codes hold 32 to 32, outside \[0, 32\)"),
        ({"codes": np.zeros((ROWS, 2), np.uint8)}, r"codes must be integers of shape \(n, M=3\)"),
        ({"codes": np.zeros((ROWS, 3))}, "codes must be integers"),
        ({"lists": None}, r"lists \(=None\) are needed by spec"),
        ({"lists": np.full(ROWS, 4)}, r"lists hold 4 to 4, outside \[0, 4\)"),
        ({"lists": np.full(ROWS, -1)}, r"lists hold -1 to -1, outside \[0, 4\)"),
        ({"lists": np.zeros(ROWS + 1, int)}, r"lists must be integers of shape \(30,\)"),
        ({"spec": IndexSpec.parse("OPQ3,PQ3x5")}, "array 'coarse' does not belong"),
        ({"columns": pa.table({"title": ["a"]})}, "columns have 1 rows for 30 items"),
        ({"columns": pa.table({"id": list(range(ROWS))})}, "the name 'id' is taken"),
        ({"columns": {"title": []}}, "columns must be a pyarrow.Table"),
        ({"training": {"x": float("nan")}}, "training facts must be JSON values"),
        ({"training": {"x": object()}}, "object is not a JSON value"),
    ],
)
def test_what_does_not_fit_is_not_written(tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        write_bundle(tmp_path / "b", **{**parts(), **change})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("codebooks", None, "array 'codebooks' is missing"),
        ("codebooks", np.full((3, 32, 4), np.nan, np.float32), "array 'codebooks' has NaN or infinite values"),
        ("codebooks", np.zeros((3, 32, 4)), "array 'codebooks' must be float32, not float64"),
        ("coarse", np.zeros((5, DIM), np.float32), r"array 'coarse' has shape \(5, 12\)"),
        ("rotation", np.ones((DIM, DIM), np.float32), "array 'rotation' is not orthogonal"),
        ("other", np.zeros(1, np.float32), "array 'other' does not belong"),
        ("query_adapter", np.zeros((DIM, 2), np.float32), "array 'query_adapter' has shape"),
    ],
)
def test_wrong_arrays_are_neither_written_nor_read(path, name, array, message):
    given = parts()
    arrays = {**given["arrays"], name: array}
    with pytest.raises(ValueError, match=message):
        write_bundle(path, **{**given, "arrays": arrays})
    assert len(open_bundle(path)) == ROWS
    change_arrays(path, **{name: array})
    with pytest.raises(ValueError, match=message):
        open_bundle(path)


def test_a_write_over_a_bundle_replaces_it_and_over_anything_else_is_refused(path, tmp_path):
    write_bundle(path, **parts(rows=5))
    assert len(open_bundle(path)) == 5
    (path / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"holds 'notes.txt', which is no part of a bundle and would be lost"):
        write_bundle(path, **parts())
    with pytest.raises(ValueError, match="is a file; name a folder"):
        write_bundle(path / "notes.txt", **parts())
    (tmp_path / "empty").mkdir()
    assert len(write_bundle(tmp_path / "empty", **parts())) == ROWS


def test_an_interrupted_swap_is_finished_on_open(path):
    write_bundle(path.parent / "next", **parts(rows=7))
    os.rename(path.parent / "next", path.parent / ".bundle.ready")
    os.rename(path, path.parent / ".bundle.old")
    assert len(open_bundle(path.parent)) == 7
    assert [p.name for p in path.parent.iterdir()] == ["bundle"]
    # Killed after the swap, before the former contents were deleted.
    write_bundle(path.parent / ".bundle.old", **parts(rows=8))
    assert len(open_bundle(path)) == 7
    assert [p.name for p in path.parent.iterdir()] == ["bundle"]


def test_what_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no bundle at .*nowhere.*: there is no such folder"):
        open_bundle(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"neither manifest.json nor bundle/manifest.json is in it"):
        open_bundle(tmp_path)


def test_a_bundle_can_be_moved_and_copied(path, tmp_path):
    shutil.copytree(path, tmp_path / "copy")
    assert open_bundle(tmp_path / "copy").files == open_bundle(path).files
    assert isinstance(open_bundle(path).files["items.parquet"], FileRecord)
