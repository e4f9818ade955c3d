"""Write a bundle, as a whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from poeem.bundle.arrays_file import write_arrays_file
from poeem.bundle.atomic import recover, replace_directory, staging
from poeem.bundle.bundle import Bundle
from poeem.bundle.check import check_arrays, check_codes
from poeem.bundle.fingerprint import fingerprint
from poeem.bundle.ids import ids_to_arrow
from poeem.bundle.items import Items, check_columns, write_items
from poeem.bundle.lock import WriterLock
from poeem.bundle.manifest import (
    ARRAYS_FILE,
    DATA_FILES,
    HEAD_FILE,
    ITEMS_FILE,
    LOG_FILE,
    MANIFEST_FILE,
    FileRecord,
    Manifest,
    json_value,
)
from poeem.data.checksum import file_sha256
from poeem.metric import check_metric
from poeem.spec import IndexSpec

if TYPE_CHECKING:
    import pyarrow as pa


def write_bundle(
    path: str | Path,
    *,
    spec: IndexSpec,
    metric: str,
    dim: int,
    arrays: Mapping[str, np.ndarray],
    ids: Any,
    codes: np.ndarray,
    lists: np.ndarray | None = None,
    columns: pa.Table | None = None,
    training: Mapping[str, Any] | None = None,
) -> Bundle:
    """Write a trained index and its coded items as a bundle. An existing bundle is replaced in one swap.

    Args:
        path: the folder to write.
        spec: the trained structure.
        metric: ``ip``, ``l2`` or ``cosine``.
        dim: width of an embedding.
        arrays: float32, finite: ``rotation (dim, dim)`` with ``y = x @ R``, ``coarse (nlist, dim)``,
            ``codebooks (M, ksub, dsub)`` (``(M, ksub, dim)`` for RQ), optionally ``query_adapter (dim, dim)`` and
            ``encoder_codebooks`` (shape of ``codebooks``), which encode new items in place of ``codebooks``.
        ids: n integers or strings, each once.
        codes: integer codeword numbers in ``[0, ksub)``, ``(n, M)``.
        lists: integers in ``[0, nlist)``, ``(n,)``; None for a flat spec.
        columns: the user's columns, such as titles; n rows.
        training: facts about the training, JSON values.
    Returns:
        the bundle as written.
    Raises:
        ValueError: the arguments do not fit together, ``path`` holds other files, or another writer has the bundle
            open.
    """
    path = Path(path).resolve()
    check_metric(metric)
    spec.check_dim(dim)
    arrays = {name: np.array(array, order="C") for name, array in arrays.items() if array is not None}
    check_arrays(spec, dim, arrays)
    id_column = ids_to_arrow(ids)
    codes, lists = np.asarray(codes), None if lists is None else np.asarray(lists)
    if len(id_column) != len(codes):
        raise ValueError(f"ids (n={len(id_column)}) and codes (n={len(codes)}) must have one row per item")
    check_codes(spec, codes, lists)
    items = Items(
        ids=id_column,
        codes=codes.astype(np.uint8, order="C"),
        lists=None if lists is None else lists.astype(np.int32),
        columns=check_columns(columns, len(id_column)),
    )
    facts = json_value(training or {})
    with WriterLock(path):
        _check_replaceable(path)
        return swap_in(path, spec=spec, metric=metric, dim=dim, arrays=arrays, items=items, training=facts)


def swap_in(
    path: Path,
    *,
    spec: IndexSpec,
    metric: str,
    dim: int,
    arrays: Mapping[str, np.ndarray],
    items: Items,
    training: Mapping[str, Any],
) -> Bundle:
    """Write checked contents as the bundle at ``path``, and return it. Only the holder of its lock may call this."""
    with staging(path) as new:
        write_arrays_file(arrays, new / ARRAYS_FILE)
        write_items(new / ITEMS_FILE, items, spec.nbits)
        manifest = Manifest(
            spec=spec,
            metric=metric,
            dim=dim,
            rows=len(items.ids),
            id_type=str(items.ids.type),
            fingerprint=fingerprint(spec, metric, dim, arrays),
            files={name: file_record(new / name) for name in DATA_FILES},
            training=training,
        )
        (new / MANIFEST_FILE).write_text(manifest.to_json(), encoding="utf-8")
        replace_directory(new, path)
    return make_bundle(path, manifest, arrays, items)


def make_bundle(path: Path, manifest: Manifest, arrays: Mapping[str, np.ndarray], items: Items) -> Bundle:
    """Return a `Bundle` of contents that have been checked."""
    return Bundle(
        path=path,
        spec=manifest.spec,
        metric=manifest.metric,
        dim=manifest.dim,
        arrays=MappingProxyType(dict(arrays)),
        ids=items.ids.to_numpy(zero_copy_only=False),
        codes=items.codes,
        lists=items.lists,
        columns=items.columns,
        fingerprint=manifest.fingerprint,
        training=MappingProxyType(dict(manifest.training)),
        files=MappingProxyType(dict(manifest.files)),
    )


def file_record(path: Path) -> FileRecord:
    """Return size and SHA-256 of a file."""
    return FileRecord(bytes=path.stat().st_size, sha256=file_sha256(path))


def _check_replaceable(path: Path) -> None:
    """Refuse a ``path`` that holds anything but a bundle: the swap deletes it."""
    recover(path)
    if not path.exists():
        return
    if not path.is_dir():
        raise ValueError(f"path (={str(path)!r}) is a file; name a folder for the bundle")
    foreign = sorted(p.name for p in path.iterdir() if p.name not in (MANIFEST_FILE, LOG_FILE, HEAD_FILE, *DATA_FILES))
    if foreign:
        raise ValueError(
            f"path (={str(path)!r}) holds {foreign[0]!r}, which is no part of a bundle and would be lost; "
            "choose another folder or move it away"
        )
