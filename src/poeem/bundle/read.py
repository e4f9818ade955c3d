"""Open a bundle, and refuse one that is not exactly as it was written."""

from __future__ import annotations

import hashlib
import os
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from poeem.bundle.atomic import no_swap_pending, recover
from poeem.bundle.bundle import Bundle
from poeem.bundle.catalogue import Catalogue
from poeem.bundle.change_log import LogContents, read_log
from poeem.bundle.changes import Change
from poeem.bundle.check import check_arrays, check_codes
from poeem.bundle.fingerprint import fingerprint
from poeem.bundle.items import read_items
from poeem.bundle.lock import WriterLock
from poeem.bundle.manifest import ARRAYS_FILE, ITEMS_FILE, LOG_FILE, MANIFEST_FILE, FileRecord, Manifest
from poeem.bundle.regular_file import read_file, refuse_link
from poeem.bundle.write import file_record, make_bundle

# A swap takes two renames. After so many failed attempts in a row the reader raises an error.
_ATTEMPTS, _PAUSE = 200, 0.005


class Contents(NamedTuple):
    """The contents of a bundle's folder.

    Args:
        bundle: the bundle without the changes of the log.
        base: SHA-256 of its `manifest.json`, 32 bytes; the log contains it too.
        log: the contents of the log.
        changes: the changes of the log, in order.
    """

    bundle: Bundle
    base: bytes
    log: LogContents
    changes: list[Change]


def open_bundle(path: str | Path) -> Bundle:
    """Read a bundle with the changes of its log, and check everything in it.

    Later changes of the folder do not change the returned bundle.

    Args:
        path: the bundle's folder, or a run's folder with the bundle in ``bundle``.
    Raises:
        FileNotFoundError: there is no bundle.
        ValueError: the bundle is damaged, of a newer format, or its files do not fit together; the message names the
            fix.
    """
    contents = read_contents(path)
    if not contents.changes:
        return contents.bundle
    return with_changes(contents.bundle, changed(contents), contents.log.digest, len(contents.changes))


def changed(contents: Contents) -> Catalogue:
    """Return the rows of a bundle after all changes of its log.

    Raises:
        ValueError: a change does not fit the rows.
    """
    catalogue = Catalogue(contents.bundle)
    for number, change in enumerate(contents.changes):
        try:
            catalogue.check(change)
        except ValueError as error:
            folder = str(contents.bundle.path)
            raise ValueError(
                f"bundle {folder!r} is refused: change {number} of {LOG_FILE} does not fit its rows ({error}); "
                "restore it from a copy"
            ) from None
        catalogue.apply(change)
    return catalogue


def with_changes(bundle: Bundle, catalogue: Catalogue, digest: bytes, pending: int) -> Bundle:
    """Return the bundle with the rows of a catalogue in place of its own.

    Args:
        bundle: the bundle before the changes.
        catalogue: the rows after the changes.
        digest: digest of the log, which names the changes.
        pending: number of changes.
    """
    items = catalogue.items()
    file = bundle.files[ITEMS_FILE]
    record = FileRecord(file.bytes, changed_sha256(bundle, digest))
    return replace(
        bundle,
        ids=items.ids.to_numpy(zero_copy_only=False),
        codes=items.codes,
        lists=items.lists,
        columns=items.columns,
        files=MappingProxyType({**bundle.files, ITEMS_FILE: record}),
        pending=pending,
    )


def changed_sha256(bundle: Bundle, digest: bytes) -> str:
    """Return the checksum by which exported files know the rows after changes.

    Args:
        bundle: the bundle before the changes.
        digest: digest of the log, which names the changes.
    """
    return hashlib.sha256(bundle.files[ITEMS_FILE].sha256.encode() + digest).hexdigest()


def read_contents(path: str | Path) -> Contents:
    """Read a bundle and, apart from it, the changes of its log. Errors as for `open_bundle`.

    A writer may swap in another bundle meanwhile. So everything is read again if the manifest has changed at the end.
    """
    for _ in range(_ATTEMPTS):
        folder = locate_bundle(path)
        manifest = _manifest_of(folder)
        try:
            contents = None if manifest is None else _read(folder, manifest)
            error = None
        except (ValueError, OSError) as found:
            contents, error = None, found
        if manifest is not None and _manifest_of(folder) == manifest:
            if isinstance(error, ValueError):
                raise ValueError(f"bundle {str(folder)!r} is refused: {error}") from None
            if error is not None:
                raise error
            assert contents is not None
            return contents
        time.sleep(_PAUSE)
    raise ValueError(f"bundle {str(path)!r} changes faster than it can be read; open it when its writer has paused")


def _manifest_of(folder: Path) -> bytes | None:
    try:
        return read_file(folder / MANIFEST_FILE)
    except FileNotFoundError:
        return None


def locate_bundle(path: str | Path) -> Path:
    """Return the folder of a bundle, given this folder or a run's folder. An interrupted swap is finished first.

    Raises:
        FileNotFoundError: neither folder holds a bundle.
        ValueError: ``path / "bundle"`` is a symbolic link.
    """
    path = Path(path)
    # The folder that the user names may be a link; one within a run may not.
    places = (Path(os.path.realpath(path)), path / "bundle")
    refuse_link(path / "bundle")
    for attempt in range(_ATTEMPTS):
        for folder in places:
            _finish_swap(folder)
            if (folder / MANIFEST_FILE).is_file():
                return folder
        # Between the renames of a swap nothing is there; a moment later the swap is over.
        if attempt >= 2 and all(map(no_swap_pending, places)):
            break
        time.sleep(_PAUSE)
    if not path.exists():
        raise FileNotFoundError(f"no bundle at {str(path)!r}: there is no such folder")
    raise FileNotFoundError(
        f"no bundle at {str(path)!r}: neither {MANIFEST_FILE} nor bundle/{MANIFEST_FILE} is in it; "
        "name the folder that a training or write_bundle wrote"
    )


def _finish_swap(folder: Path) -> None:
    """Finish the swap of a dead writer; a live one finishes its own."""
    if no_swap_pending(folder):
        return
    # Locked, a link, or without the right to write: it is left as it is.
    with suppress(ValueError, OSError), WriterLock(folder, patience=0):
        recover(folder)


def _read(folder: Path, data: bytes) -> Contents:
    try:
        manifest = Manifest.from_json(data)
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
    base = hashlib.sha256(data).digest()
    log = read_log(folder, base)
    return Contents(make_bundle(folder, manifest, arrays, items), base, log, _changes(log.payloads, manifest))


def _changes(payloads: list[bytes], manifest: Manifest) -> list[Change]:
    spec, string_ids = manifest.spec, manifest.id_type == "string"
    changes = []
    for number, payload in enumerate(payloads):
        try:
            change = Change.from_bytes(payload, M=spec.M, has_lists=bool(spec.nlist), string_ids=string_ids)
            for part in (change.replaced, change.added):
                if part is not None:
                    check_codes(spec, part.codes, part.lists)
        except ValueError as error:
            raise ValueError(
                f"change {number} of {LOG_FILE} cannot be read ({error}); restore it from a copy"
            ) from None
        changes.append(change)
    return changes


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
