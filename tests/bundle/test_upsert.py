"""Upserts: items that exist are replaced, others added, as one change."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from poeem.bundle import BundleEditor, open_bundle


@pytest.mark.parametrize("spec", ["PQ2x4", "IVF4,RQ2x4"])
@pytest.mark.parametrize("strings", [False, True])
def test_an_upsert_replaces_and_adds_in_one_change(tmp_path, small_bundle, model_of, draw, spec, strings):
    before = small_bundle(tmp_path / "b", spec=spec, strings=strings)
    model = model_of(before)
    old, new = before.ids[[5, 2]].tolist(), ["x", "y"] if strings else [1, 2]
    ids, vectors = [old[0], new[0], old[1], new[1]], draw(4)
    rows = model.put(ids, vectors)
    with BundleEditor(tmp_path / "b") as editor:
        assert editor.upsert(ids, vectors) == 2
        assert editor.pending == 1
        assert editor.items_sha256 == editor.bundle.files["items.parquet"].sha256
        assert editor.upsert(ids, vectors) == 0
    after = open_bundle(tmp_path / "b")
    # Replaced rows keep their place, new ones come last.
    assert list(model_of.read(after).items()) == list(rows.items())


def test_columns_come_with_the_rows(tmp_path, small_bundle, draw):
    titles = [f"title {row}" for row in range(20)]
    before = small_bundle(tmp_path / "b", columns=pa.table({"title": titles}))
    assert before.columns is not None
    with BundleEditor(tmp_path / "b") as editor:
        assert editor.items_sha256 == before.files["items.parquet"].sha256
        editor.upsert([100, 7], draw(2))
        editor.upsert([101, 8], draw(2), pa.table({"title": ["new 101", "new 8"]}))
        after = editor.bundle
        assert editor.items_sha256 == after.files["items.parquet"].sha256
    held = dict(zip(after.ids.tolist(), after.columns["title"].to_pylist()))
    expected = dict(zip(before.ids.tolist(), titles))
    assert held == {**expected, 7: None, 101: "new 101", 8: "new 8"}
    assert list(held)[-3:] == [7, 101, 8]


def test_a_wrong_upsert_changes_nothing(tmp_path, small_bundle, draw):
    small_bundle(tmp_path / "b")
    with BundleEditor(tmp_path / "b") as editor:
        for ids, vectors in (([100, 100], draw(2)), ([100, 1], np.zeros((2, 3))), (["a"], draw(1))):
            with pytest.raises(ValueError):
                editor.upsert(ids, vectors)
        assert editor.pending == 0
