"""Write ScaNN's files from a bundle, and keep them only if ScaNN scores nearly as the reference does."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from poeem.bundle.atomic import recover, replace_directory, staging
from poeem.bundle.bundle import Bundle
from poeem.bundle.centroid_norms import have_equal_norms
from poeem.bundle.whole_file import check_folder_around, write_text
from poeem.engines.export_facts import ExportFacts, facts_of
from poeem.engines.report import Report, sidecar_of
from poeem.engines.scann.assets import ASSETS, assets_text
from poeem.engines.scann.files import write_files
from poeem.engines.scann.install import import_scann
from poeem.engines.scann.searcher import open_scann
from poeem.engines.scann.sidecar import FACTS_FILE, write_facts
from poeem.engines.self_check import check_contained


def write_scann(bundle: Bundle, path: Path, *, nprobe: int | None = None, queries: Any = None) -> Report:
    """Write a bundle as the folder ``path`` for ``scann_ops_pybind.load_searcher``, and its report as ``path.json``.

    Experimental: ScaNN's format is not documented, and only scann 1.4 was tried.

    Args:
        bundle: the bundle to write.
        path: the folder. An existing export is replaced only after the new one has passed the self-check.
        nprobe: default number of lists visited per query; None takes the training's, or else nlist's square root.
        queries: ``(nq, dim)`` for the self-check; None takes decoded items plus noise.
    Returns:
        the report.
    Raises:
        FileNotFoundError: the folder of ``path`` does not exist.
        ValueError: ``path`` holds something else, ScaNN cannot hold the index, or scann is not installed.
        EngineMismatch: ScaNN's scores differ from the reference's. Nothing is written then.
    """
    began = time.perf_counter()
    import_scann("scann.scann_ops.py.scann_ops_pybind")
    _check_place(path)
    if bundle.spec.nlist and not have_equal_norms(bundle.arrays["coarse"]):
        # ScaNN ranks the lists of residual codes by inner product, and by nothing else.
        raise ValueError(
            "engine 'scann' needs centroids of one norm, as they are trained by default; train so, or export to faiss"
        )
    facts = ExportFacts(**facts_of(bundle, nprobe))
    with staging(path) as new:
        write_files(bundle, new, facts.nprobe)
        write_facts(bundle, new, facts)
        (new / ASSETS).write_text(assets_text(new, new.resolve()), encoding="utf-8")
        written = time.perf_counter()
        searcher = open_scann(new, bundle)

        def search(some: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
            return searcher.search_rows(some, k, nprobe=max(1, facts.nlist))

        agreement = check_contained(bundle, search, engine="scann", queries=queries)
        checked = time.perf_counter()
        (new / ASSETS).write_text(assets_text(new, path.resolve()), encoding="utf-8")
        report = Report.of(
            bundle,
            agreement,
            engine="scann",
            path=path,
            size=sum(file.stat().st_size for file in new.iterdir()),
            nprobe=facts.nprobe,
            began=began,
            written=written,
            checked=checked,
            options={"experimental": True},
        )
        # In this order no moment pairs an export with the report of another one.
        sidecar_of(path).unlink(missing_ok=True)
        replace_directory(new, path)
    write_text(sidecar_of(path), replace(report, path=path.name).to_json())
    return report


def _check_place(path: Path) -> None:
    recover(path)
    if path.exists() and not (path / FACTS_FILE).is_file():
        raise ValueError(
            f"path (={str(path)!r}) exists and is no export for ScaNN; name a new folder, such as items.scann"
        )
    check_folder_around(path)
