"""A small bundle with titles, and a client of a server over it, in this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from starlette.testclient import TestClient

from poeem.bundle import write_bundle
from poeem.serve.app import make_app
from poeem.serve.options import LimitOptions, ServeOptions
from poeem.serve.service import Service
from poeem.serve.version import open_version
from poeem.spec import IndexSpec

DIM, ROWS = 8, 120


def write_shop(path: Path, *, spec: str = "IVF4,PQ4x4", strings: bool = True, first: int = 0, seed: int = 0) -> Path:
    """A bundle of 120 items with the columns title and price; ``seed`` is that of its codes, the arrays are equal."""
    rng, arrays_rng = np.random.default_rng(seed), np.random.default_rng(7)
    parsed = IndexSpec.parse(spec)
    shape = (parsed.M, parsed.ksub, parsed.dsub(DIM))
    arrays = {"codebooks": arrays_rng.normal(0, 0.5, shape).astype("float32")}
    if parsed.nlist:
        coarse = arrays_rng.standard_normal((parsed.nlist, DIM))
        arrays["coarse"] = (3 * coarse / np.linalg.norm(coarse, axis=1, keepdims=True)).astype("float32")
    numbers = np.arange(ROWS) + first
    codes = rng.integers(0, parsed.ksub, (ROWS, parsed.M))
    assert len(np.unique(codes, axis=0)) == ROWS, "equal codes have equal scores, in any order"
    write_bundle(
        path / "bundle",
        spec=parsed,
        metric="ip",
        dim=DIM,
        arrays=arrays,
        ids=[f"i{one}" for one in numbers] if strings else numbers,
        codes=codes,
        lists=rng.integers(0, parsed.nlist, ROWS) if parsed.nlist else None,
        columns=pa.table({"title": [f"title {one}" for one in numbers], "price": numbers % 10}),
        training={"nprobe": 2},
    )
    return path


@contextmanager
def serving(folder: Path, *, limits: dict[str, Any] | None = None, **options: Any) -> Iterator[TestClient]:
    """A client of a server over a folder, in this process. Faults of the server are raised."""
    version = open_version(folder, engine=options.get("engine", "faiss"), nprobe=options.get("nprobe"))
    service = Service(version, ServeOptions(**options), LimitOptions(**{"probe_seconds": 0.0, **(limits or {})}))
    with TestClient(make_app(service), base_url="http://127.0.0.1") as client:
        yield client


def best(bundle: Any, queries: Any, k: int, nprobe: int | None = None) -> list[list[Any]]:
    """Ids of the best items by the reference scorer."""
    from poeem.engines.reference import ReferenceScorer

    _, rows = ReferenceScorer(bundle).search(np.asarray(queries), k, nprobe)
    return [bundle.ids[row[row >= 0]].tolist() for row in rows]
