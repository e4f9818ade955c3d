"""Adding, replacing and deleting items of a bundle in service."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import torch

from poeem.bundle import BundleEditor, open_bundle
from poeem.bundle.manifest import MANIFEST_FILE

SPECS = ["PQ2x4", "IVF4,PQ2x4", "RQ3x4", "IVF4,RQ2x4"]


def everything(path):
    return {file.name: file.read_bytes() for file in path.iterdir()}


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("strings", [False, True])
def test_changes_are_seen_by_whoever_opens_the_bundle(tmp_path, small_bundle, model_of, draw, spec, strings):
    before = small_bundle(tmp_path / "b", spec=spec, strings=strings)
    model = model_of(before)
    new = ["ä", "日"] if strings else [7, 2**40]
    old = before.ids[[3, 1]].tolist()
    with BundleEditor(tmp_path / "b") as editor:
        for change in ("add", "replace", "delete", "add again", "compact"):
            if change == "add":
                model.rows = model.put(new, some := draw(2))
                editor.add(new, some)
            elif change == "replace":
                model.rows = model.put(old, some := draw(2))
                editor.replace(np.array(old, dtype=object) if strings else np.array(old), torch.from_numpy(some))
            elif change == "delete":
                model.rows = model.without(old[:1])
                editor.delete(old[:1])
            elif change == "add again":
                model.rows = model.put(old[:1], some := draw(1))
                editor.add(old[:1], some)
            else:
                assert editor.pending == 4
                assert editor.compact().pending == 0
            after = open_bundle(tmp_path / "b")
            # Row for row, in the same order.
            assert list(model_of.read(after).items()) == list(model.rows.items())
            assert list(model_of.read(editor.bundle).items()) == list(model.rows.items())
            assert len(editor) == len(after) == len(model.rows)
            assert (old[0] in editor) == (change != "delete")
            assert after.fingerprint == before.fingerprint
            assert after.training == before.training
            assert after.pending == editor.pending
    assert sorted(everything(tmp_path / "b")) == ["arrays.safetensors", "items.parquet", "manifest.json"]
    assert [p.name for p in tmp_path.iterdir()] == ["b"]


def test_new_codes_are_the_nearest_words(tmp_path, small_bundle, draw):
    """An oracle in float64: exhaustive search of list, then of each word."""
    bundle = small_bundle(tmp_path / "b", metric="l2")
    x = draw(200)
    with BundleEditor(tmp_path / "b") as editor:
        editor.add(np.arange(200) + 1000, x)
        after = editor.bundle
    coarse, words = (bundle.arrays[name].astype(np.float64) for name in ("coarse", "codebooks"))
    rows = after.row_of(np.arange(200) + 1000)
    lists = np.square(x[:, None] - coarse).sum(-1).argmin(1)
    np.testing.assert_array_equal(after.lists[rows], lists)
    residual = (x - coarse[lists]).reshape(200, 2, 1, 4)
    np.testing.assert_array_equal(after.codes[rows], np.square(residual - words).sum(-1).argmin(-1))


@pytest.mark.parametrize(
    ("call", "ids", "vectors", "message"),
    [
        ("add", [100], 1, "100 is there already"),
        ("add", [1, 2, 1], 3, "1 is there more than once"),
        ("add", [], 0, "ids are empty"),
        ("add", ["a"], 1, r"must be integers as in the bundle, not string; pass int\(id\)"),
        ("add", [1.5], 1, "integers or strings, not double"),
        ("add", [-1], 1, "ids hold -1"),
        ("add", [None], 1, "ids"),
        ("add", 5, 1, "must be a list"),
        ("add", [1], 2, r"vectors \(n=2\) and ids \(n=1\)"),
        ("add", [1], np.full((1, 8), np.nan, "float32"), "row 0 holds NaN or infinity"),
        ("add", [1, 2], np.array([[1.0] * 8, [np.inf] * 8]), "row 1 holds NaN or infinity"),
        ("add", [1], np.full((1, 8), 1e300), "row 0 holds NaN or infinity"),
        ("add", [1], np.zeros((1, 8)), "row 0 is zero"),
        ("add", [1], np.full((1, 8), 1e-30), "row 0 is zero"),
        ("add", [1], np.ones((1, 7)), r"shape \(n, dim=8\)"),
        ("add", [1], np.ones(8), r"shape \(n, dim=8\)"),
        ("add", [1], np.array([["a"] * 8]), "must be numbers"),
        ("replace", [100, 5], 2, r"5 is not among the items \(1 unknown\)"),
        ("replace", [100, 100], 2, "more than once"),
        ("replace", [100], np.zeros((1, 8)), "row 0 is zero"),
        ("delete", [100, 5], None, "5 is not among the items"),
        ("delete", [100, 100], None, "more than once"),
        ("delete", ["100"], None, "must be integers"),
        ("delete", list(range(100, 120)), None, "no item would be left"),
    ],
)
@pytest.mark.parametrize("changed_before", [False, True])
def test_bad_input_changes_nothing(tmp_path, small_bundle, draw, changed_before, call, ids, vectors, message):
    small_bundle(tmp_path / "b", metric="cosine")
    with BundleEditor(tmp_path / "b") as editor:
        if changed_before:
            editor.replace([110], draw(1))
        files, rows = everything(tmp_path / "b"), editor.bundle
        given = [ids] if vectors is None else [ids, draw(vectors) if isinstance(vectors, int) else vectors]
        with pytest.raises(ValueError, match=message):
            getattr(editor, call)(*given)
        assert everything(tmp_path / "b") == files
        assert editor.bundle is rows
        editor.delete([111])  # and it goes on
        assert len(editor) == 19


def test_columns_go_along(tmp_path, small_bundle, draw):
    titles = pa.table({"title": [f"t{i}" for i in range(20)], "year": pa.array(range(20), pa.int16())})
    small_bundle(tmp_path / "b", columns=titles)
    with BundleEditor(tmp_path / "b") as editor:
        editor.add([1, 2], draw(2), columns=pa.table({"year": [1, 2], "title": ["one", "two"]}))
        editor.add([3], draw(1))
        editor.replace([101], draw(1))
        editor.delete([100])
        for columns, message in (
            (pa.table({"title": ["x"]}), "give the same ones"),
            (pa.table({"title": ["x"], "year": ["?"]}), "types"),
            (pa.table({"title": ["x", "y"], "year": [1, 2]}), "2 rows for 1"),
            ({"title": ["x"]}, "pyarrow.Table"),
        ):
            with pytest.raises(ValueError, match=message):
                editor.add([9], draw(1), columns=columns)
        expected = [f"t{i}" for i in range(1, 20)] + ["one", "two", None]
        for bundle in (editor.bundle, open_bundle(tmp_path / "b"), editor.compact(), open_bundle(tmp_path / "b")):
            assert bundle.columns is not None
            assert bundle.columns["title"].to_pylist() == expected
            assert bundle.columns["year"].type == pa.int16()


def test_columns_have_no_place_where_there_are_none(tmp_path, small_bundle, draw):
    small_bundle(tmp_path / "b")
    with BundleEditor(tmp_path / "b") as editor:
        editor.add([1], draw(1))
        editor.add([2], draw(1), columns=pa.table({"title": ["x"]}))
        editor.add([3], draw(1))
        expected = [None] * 21 + ["x", None]
        for _ in range(2):
            for bundle in (editor.bundle, open_bundle(tmp_path / "b")):
                assert bundle.columns is not None
                assert bundle.columns["title"].to_pylist() == expected
            with pytest.raises(ValueError, match="give the same ones"):
                editor.add([4], draw(1), columns=pa.table({"year": [1]}))
            editor.compact()


def test_the_checksum_of_items_tells_rows_apart(tmp_path, small_bundle, draw):
    """Engines keep row numbers for string ids, and know the rows by it."""
    small_bundle(tmp_path / "b", strings=True)
    with BundleEditor(tmp_path / "b") as editor:
        found = [editor.bundle.files["items.parquet"].sha256]
        for one in ("x", "y"):
            editor.add([one], draw(1))
            found.append(editor.bundle.files["items.parquet"].sha256)
            assert open_bundle(tmp_path / "b").files["items.parquet"].sha256 == found[-1]
        found.append(editor.compact().files["items.parquet"].sha256)
    assert len(set(found)) == 4


def test_compacting_nothing_writes_nothing(tmp_path, small_bundle):
    small_bundle(tmp_path / "b")
    written = (tmp_path / "b" / MANIFEST_FILE).stat().st_ino
    with BundleEditor(tmp_path / "b") as editor:
        editor.compact()
    assert (tmp_path / "b" / MANIFEST_FILE).stat().st_ino == written
