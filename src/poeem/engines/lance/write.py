"""Write a Lance dataset from a bundle, and keep it only if Lance scores as the reference does."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from poeem.bundle.atomic import recover, replace_directory, staging
from poeem.bundle.bundle import Bundle
from poeem.bundle.centroid_norms import have_equal_norms
from poeem.bundle.whole_file import check_folder_around, write_text
from poeem.engines.faiss.coded_parts import joined, open_parts
from poeem.engines.item_vectors import check_item_vectors, read_item_vectors
from poeem.engines.lance.build import write_rows
from poeem.engines.lance.check import check_dataset, check_refined
from poeem.engines.lance.create_index import create_index
from poeem.engines.lance.install import import_lance
from poeem.engines.lance.layout import ID, VECTOR, lance_metric, lifted
from poeem.engines.lance.searcher import is_dataset, open_lance
from poeem.engines.lance.trained_index import trained_index_of
from poeem.engines.report import Report, sidecar_of


def write_lance(
    bundle: Bundle,
    path: Path,
    *,
    vectors: Any = None,
    columns: Sequence[str] | None = None,
    nprobe: int | None = None,
    queries: Any = None,
    parts: Any = None,
) -> Report:
    """Write a bundle as the Lance dataset ``path``, readable by ``lance.dataset``, and its report as ``path.json``.

    Args:
        bundle: the bundle to write.
        path: the folder, ``NAME.lance`` for LanceDB. An existing dataset is replaced with all of its versions, but only
            after the new one has passed the self-check.
        vectors: the items' float vectors, the output of the item tower, ``(n, dim)`` in the order of ``bundle.ids``, or
            a file of them (``.npy``, or Parquet: a file, folder or glob), which may be larger than memory. Lance stores
            them beside the codes.
        columns: names of the user's columns to write; None writes all.
        nprobe: default number of lists visited per query; None takes the training's, or else nlist's square root.
        queries: ``(nq, dim)`` for the self-check; None takes decoded items plus noise.
        parts: other items than the bundle's, encoded with its arrays, see `FaissOptions`; in the order of ``vectors``.
            Their ids and codes are in memory together.
    Returns:
        the report.
    Raises:
        FileNotFoundError: the folder of ``path`` does not exist.
        ValueError: vectors are missing or do not belong to the bundle, ``path`` holds something else, Lance cannot hold
            the index, or pylance is not installed.
        EngineMismatch: Lance's scores differ from the reference's. Nothing is written then.
    """
    began = time.perf_counter()
    import_lance()
    _check_place(path)
    if parts is not None:
        bundle = joined(bundle, open_parts(bundle, parts, strings=True))
    bundle = _with_columns(bundle, columns)
    _check_holdable(bundle)
    vectors = _item_vectors(bundle, vectors)
    trained = trained_index_of(bundle, vectors, nprobe)
    facts = trained.facts
    with staging(path) as new, staging(path.with_name(f"{path.name}.codes")) as buffers:
        create_index(write_rows(bundle, vectors, new, trained), trained, buffers)
        written = time.perf_counter()
        searcher = open_lance(new, bundle)
        agreement = check_dataset(bundle, searcher, queries)
        refined = check_refined(bundle, searcher, vectors, queries)
        checked = time.perf_counter()
        report = Report.of(
            bundle,
            agreement,
            engine="lance",
            path=path,
            size=sum(file.stat().st_size for file in new.rglob("*") if file.is_file()),
            nprobe=facts.nprobe,
            began=began,
            written=written,
            checked=checked,
            options={"lance_metric": lance_metric(bundle.spec, bundle.metric), "refined_score_error": refined},
        )
        if parts is not None:
            report = replace(report, items_sha256="")
        # In this order no moment pairs a dataset with the report of another one.
        sidecar_of(path).unlink(missing_ok=True)
        replace_directory(new, path)
    write_text(sidecar_of(path), replace(report, path=path.name).to_json())
    return report


def _item_vectors(bundle: Bundle, vectors: Any) -> np.ndarray:
    if vectors is None:
        raise ValueError(
            f"engine 'lance' stores vectors: pass vectors= (--vectors V.npy), the items' floats before the index, in "
            f"the bundle's order, ({len(bundle)}, {bundle.dim})"
        )
    vectors = np.asanyarray(read_item_vectors(vectors))
    check_item_vectors(bundle, vectors)
    return vectors


def _with_columns(bundle: Bundle, columns: Sequence[str] | None) -> Bundle:
    """The bundle with the chosen columns only."""
    if columns is None:
        return bundle
    own = [] if bundle.columns is None else bundle.columns.column_names
    unknown = [name for name in columns if name not in own]
    if unknown:
        raise ValueError(f"columns: the bundle has no {unknown[0]!r}; it has {', '.join(own) or 'none'}")
    kept = bundle.columns.select(list(columns)) if bundle.columns is not None and columns else None
    return replace(bundle, columns=kept)


def _check_holdable(bundle: Bundle) -> None:
    """Check limits that the capability table does not list."""
    spec = bundle.spec
    if spec.nbits == 4 and spec.M % 2:
        raise ValueError(
            f"engine 'lance' packs two 4-bit codes in a byte, and {spec} has M={spec.M}; train with an even M, or "
            "export to faiss"
        )
    if lifted(spec, bundle.metric) and not have_equal_norms(bundle.arrays["coarse"]):
        # Lance ranks lists by L2, and scaled queries would rank centroids of several norms otherwise.
        raise ValueError(
            f"engine 'lance' under {bundle.metric} needs centroids of one norm, as they are trained by default; train "
            "so, or export to faiss"
        )
    names = [] if bundle.columns is None else bundle.columns.column_names
    taken = [name for name in names if name in (ID, VECTOR) or name.startswith("_")]
    if taken:
        raise ValueError(
            f"columns: Lance needs the name {taken[0]!r} for itself; pass columns= with the others, or rename it"
        )


def _check_place(path: Path) -> None:
    recover(path)
    if path.exists() and not is_dataset(path):
        raise ValueError(f"path (={str(path)!r}) exists and is no Lance dataset; name a new folder: items.lance")
    check_folder_around(path)
