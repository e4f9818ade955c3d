"""Open a bundle, and refuse one that is not exactly as it was written."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from poeem.bundle.atomic import recover
from poeem.bundle.bundle import Bundle
from poeem.bundle.check import check_arrays, check_codes
from poeem.bundle.fingerprint import fingerprint
from poeem.bundle.items import read_items
from poeem.bundle.manifest import ARRAYS_FILE, ITEMS_FILE, MANIFEST_FILE, FileRecord, Manifest
from poeem.bundle.write import file_record, make_bundle


def open_bundle(path: str | Path) -> Bundle:
    """Read a bundle and check everything in it.

    Args:
        path: the bundle's folder, or a run's folder that holds it as ``bundle``.
    Raises:
        FileNotFoundError: there is no bundle.
        ValueError: it is damaged, of a newer format, or its parts do not go together; the message says what to do.
    """
    folder = locate_bundle(path)
    try:
        return _read(folder)
    except ValueError as error:
        raise ValueError(f"bundle {str(folder)!r} is refused: {error}") from None


def locate_bundle(path: str | Path) -> Path:
    """The bundle's folder for a bundle's or a run's folder; a swap that was interrupted is finished first.

    Raises:
        FileNotFoundError: neither is there.
    """
    path = Path(path)
    for folder in (path, path / "bundle"):
        recover(folder)
        if (folder / MANIFEST_FILE).is_file():
            return folder
    if not path.exists():
        raise FileNotFoundError(f"no bundle at {str(path)!r}: there is no such folder")
    raise FileNotFoundError(
        f"no bundle at {str(path)!r}: neither {MANIFEST_FILE} nor bundle/{MANIFEST_FILE} is in it; "
        "name the folder that a training or write_bundle wrote"
    )


def _read(folder: Path) -> Bundle:
    try:
        manifest = Manifest.from_json((folder / MANIFEST_FILE).read_bytes())
    except ValueError as error:
        raise ValueError(f"{MANIFEST_FILE}: {error}") from None
    for name, record in manifest.files.items():
        _check_file(folder / name, record)
    arrays = _read_arrays(folder / ARRAYS_FILE)
    check_arrays(manifest.spec, manifest.dim, arrays)
    if fingerprint(manifest.spec, manifest.metric, manifest.dim, arrays) != manifest.fingerprint:
        raise ValueError("its fingerprint is not that of its arrays; restore the files or write the bundle again")
    items = read_items(folder / ITEMS_FILE, manifest.spec, manifest.rows, manifest.id_type)
    check_codes(manifest.spec, items.codes, items.lists)
    return make_bundle(folder, manifest, arrays, items)


def _check_file(path: Path, record: FileRecord) -> None:
    if not path.is_file():
        raise ValueError(f"{path.name} is missing; restore it from a copy or write the bundle again")
    size = path.stat().st_size
    if size != record.bytes:
        raise ValueError(
            f"{path.name} has {size} bytes, the manifest says {record.bytes}; it was cut off or replaced: "
            "restore it from a copy or write the bundle again"
        )
    if file_record(path) != record:
        raise ValueError(
            f"{path.name} is damaged (its SHA-256 is not the manifest's); "
            "restore it from a copy or write the bundle again"
        )


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return load_file(path)
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path.name} cannot be read ({error}); write the bundle again") from None
