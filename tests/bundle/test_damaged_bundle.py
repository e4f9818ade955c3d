"""Damaged, edited and older bundles."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest

from poeem.bundle import manifest as manifest_module
from poeem.bundle import open_bundle
from tests.bundle.parts import ROWS, bless, change_items, rewrite_manifest


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
