"""Two versions of a catalogue, and what has to be carried from one to the other."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from poeem.bundle import BundleEditor, open_bundle
from poeem.bundle.delta import rows_sha256, write_delta
from poeem.bundle.diff import diff_bundles


def versions(tmp_path, small_bundle, draw, **options):
    """A bundle, and a copy with two items added, three replaced and one deleted."""
    old = small_bundle(tmp_path / "old", **options)
    shutil.copytree(tmp_path / "old", tmp_path / "new")
    strings = options.get("strings", False)
    columns = pa.table({"title": ["one", "two"]}) if "columns" in options else None
    with BundleEditor(tmp_path / "new") as editor:
        editor.add(["x", "y"] if strings else [1, 2], draw(2), columns=columns)
        editor.replace(old.ids[[3, 4, 5]], draw(3))
        editor.delete(old.ids[[7]])
    return old, open_bundle(tmp_path / "new")


@pytest.mark.parametrize("strings", [False, True])
@pytest.mark.parametrize("spec", ["IVF4,PQ2x4", "PQ2x4"])
def test_items_are_compared_by_id(tmp_path, small_bundle, model_of, draw, spec, strings):
    old, new = versions(tmp_path, small_bundle, draw, spec=spec, strings=strings)
    diff = diff_bundles(old, new)
    before, after = model_of.read(old), model_of.read(new)
    both = [one for one in after if one in before]
    assert new.ids[diff.added].tolist() == [one for one in after if one not in before]
    assert old.ids[diff.removed].tolist() == [one for one in before if one not in after]
    assert new.ids[diff.changed].tolist() == [one for one in both if before[one] != after[one]]
    summary = diff.summary()
    assert (summary["added"], summary["removed"], summary["kept"]) == (2, 1, 19)
    assert summary["code_changed"] == sum(before[one][1] != after[one][1] for one in both)
    assert summary["list_changed"] == sum(before[one][0] != after[one][0] for one in both)
    assert summary["same_fingerprint"]
    table = diff.table()
    assert len(table) == 3 + summary["changed"]
    assert set(table["change"].to_pylist()) == {"added", "removed", "changed"}
    # An order of rows is no difference.
    assert not len(diff_bundles(new, reversed_rows(new)).changed)
    assert rows_sha256(new) == rows_sha256(reversed_rows(new)) != rows_sha256(old)


def reversed_rows(bundle):
    lists = None if bundle.lists is None else bundle.lists[::-1].copy()
    return replace(bundle, ids=bundle.ids[::-1].copy(), codes=bundle.codes[::-1].copy(), lists=lists)


def test_codes_of_other_shapes_all_differ(tmp_path, small_bundle):
    old, new = small_bundle(tmp_path / "a"), small_bundle(tmp_path / "b", spec="PQ4x4", rows=10)
    summary = diff_bundles(old, new).summary()
    assert (summary["kept"], summary["code_changed"], summary["list_changed"], summary["removed"]) == (10, 10, 10, 10)
    assert not summary["same_fingerprint"]
    with pytest.raises(ValueError, match="old bundle are integers, of the new one strings"):
        diff_bundles(old, small_bundle(tmp_path / "c", strings=True))


@pytest.mark.parametrize("strings", [False, True])
@pytest.mark.parametrize("titled", [False, True])
@pytest.mark.parametrize("spec", ["IVF4,PQ2x4", "PQ2x5", "RQ2x4"])
def test_a_delta_makes_the_old_version_the_new_one(tmp_path, small_bundle, model_of, draw, strings, titled, spec):
    options = {"columns": pa.table({"title": [f"t{i}" for i in range(20)]})} if titled else {}
    old, new = versions(tmp_path, small_bundle, draw, spec=spec, strings=strings, **options)
    facts = write_delta(old, new, tmp_path / "d.parquet")
    assert (facts["added"], facts["deleted"], facts["replaced"] + facts["kept"]) == (2, 1, 19)
    assert len(pq.read_table(tmp_path / "d.parquet")) == 3 + facts["replaced"]
    with BundleEditor(tmp_path / "old") as editor:
        assert editor.apply(tmp_path / "d.parquet") == 3 + facts["replaced"]
        assert editor.pending == 1
        assert editor.apply(tmp_path / "d.parquet") == 0  # again: it is there
        for bundle in (open_bundle(tmp_path / "old"), editor.compact()):
            assert model_of.read(bundle) == model_of.read(new)
            if titled:
                assert bundle.columns is not None
                assert new.columns is not None
                assert bundle.columns["title"].to_pylist() == new.columns["title"].to_pylist()
        editor.delete(old.ids[[9]])
        with pytest.raises(ValueError, match="starts from other rows than"):
            editor.apply(tmp_path / "d.parquet")
    nothing = write_delta(new, new, tmp_path / "n.parquet")
    assert (nothing["added"], nothing["replaced"], nothing["deleted"], nothing["kept"]) == (0, 0, 0, 21)
    with BundleEditor(tmp_path / "new") as editor:
        assert editor.apply(tmp_path / "n.parquet") == 0


def test_versions_of_two_trainings_are_not_mixed(tmp_path, small_bundle, draw):
    old, new = versions(tmp_path, small_bundle, draw)
    other = small_bundle(tmp_path / "other", seed=3)
    with pytest.raises(ValueError, match=r"of another training.*must not be mixed; export the new version whole"):
        write_delta(old, other, tmp_path / "d.parquet")
    assert not (tmp_path / "d.parquet").exists()
    write_delta(old, new, tmp_path / "d.parquet")
    with BundleEditor(tmp_path / "other") as editor:
        with pytest.raises(ValueError, match=r"d.parquet' is of another training"):
            editor.apply(tmp_path / "d.parquet")
        assert editor.pending == 0


def test_what_is_no_delta_is_refused(tmp_path, small_bundle, draw):
    old, new = versions(tmp_path, small_bundle, draw)
    write_delta(old, new, tmp_path / "d.parquet")
    table = pq.read_table(tmp_path / "d.parquet")
    pq.write_table(table.replace_schema_metadata(None), tmp_path / "plain.parquet")
    pq.write_table(table.drop_columns(["code"]), tmp_path / "codeless.parquet")
    (tmp_path / "odd.parquet").write_bytes(b"odd")
    with BundleEditor(tmp_path / "old") as editor:
        for name, message in (
            ("plain", "is no delta"),
            ("codeless", "is damaged"),
            ("odd", "cannot be read"),
        ):
            with pytest.raises(ValueError, match=message):
                editor.apply(tmp_path / f"{name}.parquet")
        with pytest.raises(FileNotFoundError, match="no delta at"):
            editor.apply(tmp_path / "none.parquet")
        assert editor.pending == 0
