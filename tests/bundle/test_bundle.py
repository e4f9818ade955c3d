"""Writing, opening and refusing bundles."""

from __future__ import annotations

import json
import os
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file, save_file

from poeem.bundle import manifest as manifest_module
from poeem.bundle import open_bundle, write_bundle
from poeem.bundle.fingerprint import fingerprint
from poeem.bundle.manifest import FileRecord, manifest_checksum
from poeem.bundle.write import file_record
from poeem.spec import IndexSpec

DIM, ROWS = 12, 30


def parts(spec="OPQ3,IVF4,PQ3x5", metric="cosine", rows=ROWS, seed=0):
    rng = np.random.default_rng(seed)
    spec = IndexSpec.parse(spec)
    arrays = {"codebooks": rng.standard_normal((spec.M, spec.ksub, spec.dsub(DIM))).astype("float32")}
    if spec.rotated:
        arrays["rotation"] = np.linalg.qr(rng.standard_normal((DIM, DIM)))[0].astype("float32")
    if spec.nlist:
        arrays["coarse"] = rng.standard_normal((spec.nlist, DIM)).astype("float32")
    return {
        "spec": spec,
        "metric": metric,
        "dim": DIM,
        "arrays": arrays,
        "ids": rng.permutation(rows * 5)[:rows].astype(np.int64) * 2**40,
        "codes": rng.integers(0, spec.ksub, (rows, spec.M), dtype=np.uint8),
        "lists": rng.integers(0, spec.nlist, rows, dtype=np.int32) if spec.nlist else None,
    }


@pytest.fixture
def path(tmp_path):
    write_bundle(tmp_path / "run" / "bundle", **parts(), training={"epochs": 3})
    return tmp_path / "run" / "bundle"


def rewrite_manifest(path, **changes):
    """A manifest with changed fields and a checksum that fits them."""
    file = path / "manifest.json"
    fields = json.loads(file.read_text())
    del fields["checksum"]
    fields.update(changes)
    fields["checksum"] = manifest_checksum(fields)
    file.write_text(json.dumps(fields))


def bless(path):
    """Make the checksums fit files that a test has changed."""
    rewrite_manifest(
        path, files={name: vars(file_record(path / name)) for name in ("arrays.safetensors", "items.parquet")}
    )


def change_items(path, change):
    file = path / "items.parquet"
    pq.write_table(change(pq.read_table(file)), file)
    bless(path)


def change_arrays(path, **arrays):
    file = path / "arrays.safetensors"
    kept = {**load_file(file), **arrays}
    save_file({name: array for name, array in kept.items() if array is not None}, file)
    bless(path)


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


@pytest.mark.parametrize("name", ["manifest.json", "arrays.safetensors", "items.parquet"])
def test_every_flipped_byte_is_refused(path, name):
    file = path / name
    data = file.read_bytes()
    rng = np.random.default_rng(0)
    for place in [0, len(data) - 2, *rng.integers(0, len(data), 25)]:
        flipped = bytearray(data)
        flipped[place] ^= 1 << int(rng.integers(8))
        file.write_bytes(flipped)
        if name == "manifest.json" and _same_json(flipped, data):
            continue
        with pytest.raises(ValueError, match=f"bundle .* is refused: {name}"):
            open_bundle(path)


def _same_json(one, other):
    try:
        return json.loads(bytes(one)) == json.loads(other)
    except ValueError:
        return False


@pytest.mark.parametrize("name", ["arrays.safetensors", "items.parquet"])
def test_a_missing_or_cut_file_is_refused(path, name):
    data = (path / name).read_bytes()
    (path / name).write_bytes(data[:-1])
    with pytest.raises(ValueError, match=f"{name} has {len(data) - 1} bytes, the manifest says {len(data)}"):
        open_bundle(path)
    (path / name).unlink()
    with pytest.raises(ValueError, match=f"{name} is missing; restore it"):
        open_bundle(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format_version": 2}, r"format_version \(=2\) is newer than this poeem reads \(1\); upgrade poeem"),
        ({"format_version": 0}, r"format_version \(=0\) is not one of a bundle"),
        ({"format_version": "1"}, r"format_version \(='1'\) is not one"),
        ({"format": "cake"}, "it is not the manifest of a poeem bundle"),
        ({"spec": "PQ3,Flat"}, "index spec"),
        ({"spec": 3}, r"spec \(=3\) must be str"),
        ({"metric": "dot"}, r"metric \(='dot'\)"),
        ({"metric": "ip"}, "its fingerprint is not that of its arrays"),
        ({"dim": 24}, "array .* has shape"),
        ({"dim": 10**12}, r"dim \(=1000000000000\)"),
        ({"dim": True}, r"dim \(=True\) must be int"),
        ({"rows": 31}, "items.parquet has 30 rows, the manifest says 31"),
        ({"rows": 10**18}, "items.parquet has 30 rows"),
        ({"rows": 0}, r"rows \(=0\) must be at least 1"),
        ({"id_type": "string"}, "column 'id' is .*int64.* needs .*string"),
        ({"id_type": "float"}, r"id_type \(='float'\)"),
        ({"fingerprint": "0" * 64}, "its fingerprint is not that of its arrays"),
        (
            {"files": {"../../etc/passwd": {"bytes": 1, "sha256": ""}}},
            "files .* must be arrays.saf",
        ),
        ({"files": {}}, "files .* must be arrays.safetensors"),
        ({"files": {"arrays.safetensors": 1, "items.parquet": {}}}, "the record of arrays.safetensors must hold"),
    ],
)
def test_an_impossible_manifest_is_refused(path, changes, message):
    rewrite_manifest(path, **changes)
    with pytest.raises(ValueError, match=message):
        open_bundle(path)


def test_a_manifest_edited_by_hand_is_refused(path):
    file = path / "manifest.json"
    file.write_text(file.read_text().replace('"epochs": 3', '"epochs": 4'))
    with pytest.raises(ValueError, match=r"manifest\.json: it has changed since it was written"):
        open_bundle(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.slice(1), "items.parquet has 29 rows, the manifest says 30"),
        (lambda t: t.drop_columns("code"), "column 'code' is absent"),
        (lambda t: t.drop_columns("list"), "column 'list' is absent"),
        (lambda t: t.set_column(0, "id", t["id"].cast(pa.int32(), safe=False)), "column 'id' is .*int32"),
        (lambda t: t.set_column(0, "id", pa.array([7] * ROWS, pa.int64())), "ids must be unique: 7"),
        (
            lambda t: t.set_column(0, "id", pa.array([None, *range(1, ROWS)], pa.int64())),
            "missing values in column 'id'",
        ),
        (lambda t: t.set_column(1, "list", pa.array([4] * ROWS, pa.int32())), r"lists hold 4 to 4, outside \[0, 4\)"),
        (lambda t: t.set_column(1, "list", pa.array([-1] * ROWS, pa.int32())), r"lists hold -1 to -1"),
        (lambda t: t.set_column(2, "code", pa.array([b"123"] * ROWS, pa.binary(3))), "column 'code' is"),
        (lambda t: t.set_column(2, "code", pa.array([b"\0\xff"] * ROWS, pa.binary(2))), "unused bits set"),
    ],
)
def test_impossible_rows_are_refused_even_with_right_checksums(path, change, message):
    change_items(path, change)
    with pytest.raises(ValueError, match=message):
        open_bundle(path)


@pytest.mark.parametrize("name", ["arrays.safetensors", "items.parquet"])
def test_a_file_of_another_kind_is_refused_even_with_right_checksums(path, name):
    (path / name).write_bytes(b"\xff" * 100)
    bless(path)
    with pytest.raises(ValueError, match=f"{name} cannot be read"):
        open_bundle(path)


def test_an_older_format_is_migrated(path, monkeypatch):
    rewrite_manifest(path, metric=None, distance="cosine")
    monkeypatch.setattr(manifest_module, "FORMAT_VERSION", 2)
    with pytest.raises(ValueError, match=r"format_version \(=1\) is no longer read"):
        open_bundle(path)
    monkeypatch.setitem(manifest_module.MIGRATIONS, 1, lambda fields: {**fields, "metric": fields["distance"]})
    assert open_bundle(path).metric == "cosine"


def test_a_bundle_can_be_moved_and_copied(path, tmp_path):
    shutil.copytree(path, tmp_path / "copy")
    assert open_bundle(tmp_path / "copy").files == open_bundle(path).files
    assert isinstance(open_bundle(path).files["items.parquet"], FileRecord)
