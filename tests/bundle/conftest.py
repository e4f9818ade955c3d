"""A small bundle, and what it should hold after changes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from poeem.bundle import Bundle, write_bundle
from poeem.layers.from_arrays import index_from
from poeem.spec import IndexSpec
from tests.bundle.parts import parts

DIM = 8


def _small_bundle(path, *, rows=20, spec="IVF4,PQ2x4", metric="ip", strings=False, columns=None, seed=0) -> Bundle:
    rng = np.random.default_rng(seed)
    spec = IndexSpec.parse(spec)
    arrays = {"codebooks": rng.normal(0, 0.5, (spec.M, spec.ksub, spec.dsub(DIM))).astype("float32")}
    if spec.nlist:
        coarse = rng.standard_normal((spec.nlist, DIM))
        arrays["coarse"] = (3 * coarse / np.linalg.norm(coarse, axis=1, keepdims=True)).astype("float32")
    ids = np.arange(rows) + 100
    return write_bundle(
        path,
        spec=spec,
        metric=metric,
        dim=DIM,
        arrays=arrays,
        ids=[f"item {one}" for one in ids] if strings else ids,
        codes=rng.integers(0, spec.ksub, (rows, spec.M)),
        lists=rng.integers(0, spec.nlist, rows) if spec.nlist else None,
        columns=columns,
        training={"nprobe": 2},
    )


class Model:
    """A dict in memory, id -> (list, code), in the order that the rows of the bundle should have."""

    def __init__(self, bundle: Bundle) -> None:
        self.rows, self._encoder = self.read(bundle), index_from(bundle, exact=True).eval()

    @staticmethod
    def read(bundle: Bundle) -> dict[Any, Any]:
        lists = [0] * len(bundle) if bundle.lists is None else bundle.lists.tolist()
        rows = [(one, (at, tuple(code))) for one, at, code in zip(bundle.ids.tolist(), lists, bundle.codes.tolist())]
        assert len(dict(rows)) == len(rows), "an id is there twice"
        return dict(rows)

    def put(self, ids, vectors) -> dict[Any, Any]:
        """The rows with these added or replaced; the model itself stays."""
        codes, lists = self._encoder.encode(torch.as_tensor(vectors))
        numbers = [0] * len(ids) if lists is None else lists.tolist()
        return {**self.rows, **{one: (at, tuple(code)) for one, at, code in zip(ids, numbers, codes.tolist())}}

    def without(self, ids) -> dict[Any, Any]:
        return {one: row for one, row in self.rows.items() if one not in set(ids)}


@pytest.fixture
def small_bundle():
    return _small_bundle


@pytest.fixture
def model_of():
    return Model


@pytest.fixture
def draw():
    """Vectors of the small bundle's width."""
    rng = np.random.default_rng(1)
    return lambda rows: rng.standard_normal((rows, DIM)).astype("float32")


@pytest.fixture
def path(tmp_path):
    """A bundle in a run folder."""
    write_bundle(tmp_path / "run" / "bundle", **parts(), training={"epochs": 3})
    return tmp_path / "run" / "bundle"
