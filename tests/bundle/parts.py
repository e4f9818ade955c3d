"""The parts of a small bundle, and one edited behind the back of its manifest."""

from __future__ import annotations

import json

import numpy as np
import pyarrow.parquet as pq
from safetensors.numpy import load_file, save_file

from poeem.bundle.manifest import manifest_checksum
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
