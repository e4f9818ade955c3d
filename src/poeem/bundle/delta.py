"""Deltas: the difference between two bundles of one training, as rows in one Parquet file."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from poeem.bundle.bundle import Bundle
from poeem.bundle.catalogue import Catalogue
from poeem.bundle.changes import Change, CodedRows
from poeem.bundle.check import check_codes
from poeem.bundle.diff import BundleDiff, diff_bundles
from poeem.bundle.ids import ids_to_arrow
from poeem.bundle.parquet_file import read_parquet
from poeem.bundle.whole_file import whole_file
from poeem.functional.packing import pack_codes, unpack_codes

if TYPE_CHECKING:
    import pyarrow as pa

# Keys of the file's metadata: the training of its codes, the rows it starts from and the rows it leads to.
_FINGERPRINT, _BASE, _RESULT = b"poeem.fingerprint", b"poeem.base", b"poeem.result"
_ADDED, _REPLACED, _DELETED = "added", "replaced", "deleted"
_OURS = ("id", "change", "list", "code")


def write_delta(old: Bundle, new: Bundle, path: str | Path) -> dict[str, Any]:
    """Write a delta: the rows that turn the items of ``old`` into those of ``new``.

    These are rows of ``new`` that are missing in ``old`` or have another code or list there, and ids of ``old`` that
    are missing in ``new``. Before the file is kept, it is read back and applied to ``old``; the result must equal
    ``new``.

    Columns of the file: ``id``; ``change`` (``added``, ``replaced`` or ``deleted``); ``list`` if there are lists;
    ``code``, packed as in a bundle; and, for added rows, the user's columns. The user's columns of items that are in
    both bundles are not compared.

    Args:
        old: the version in service.
        new: the next version.
        path: the file to write. An existing file is replaced at once.
    Returns:
        the numbers of rows ``added``, ``replaced``, ``deleted`` and ``kept``, and ``bytes``, the size of the file.
    Raises:
        FileNotFoundError: the folder of ``path`` does not exist.
        ValueError: the bundles are of different trainings, have ids of different types or different columns, or
            ``path`` is a folder.
    """
    import pyarrow.parquet as pq

    check_same_training(old, new.fingerprint, f"the new bundle {str(new.path)!r}")
    names = [[] if one.columns is None else one.columns.column_names for one in (old, new)]
    if sorted(names[0]) != sorted(names[1]):
        raise ValueError(f"the old bundle keeps columns {names[0]}, the new one {names[1]}; export the new one whole")
    path, diff = Path(path), diff_bundles(old, new)
    with whole_file(path) as beside:
        pq.write_table(_table(diff), beside, compression="zstd")
        applied = _applied(old, beside)
        assert rows_sha256(applied) == rows_sha256(new), "the delta does not make the new rows of the old ones"
    counts = {_ADDED: len(diff.added), _REPLACED: len(diff.changed), _DELETED: len(diff.removed)}
    return {**counts, "kept": len(diff.kept_new) - counts[_REPLACED], "bytes": path.stat().st_size}


def read_delta(path: str | Path, bundle: Bundle) -> Change | None:
    """Read a delta as a change that can be applied to ``bundle``.

    Returns:
        the change; None if ``bundle`` has the new rows already.
    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is no delta, is damaged, is of another training, or starts from other rows than the
            bundle's.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no delta at {str(path)!r}")
    try:
        table = read_parquet(path, _check_delta, fix="write the delta again")
    except ValueError as error:
        raise ValueError(f"{str(path)!r}: {error}") from None
    facts = {key: value.decode(errors="replace") for key, value in table.schema.metadata.items()}
    check_same_training(bundle, facts[_FINGERPRINT], f"delta {str(path)!r}")
    rows = rows_sha256(bundle)
    if rows == facts[_RESULT]:
        return None  # it has been applied already: a repeated call after a failure
    if rows != facts[_BASE]:
        raise ValueError(
            f"delta {str(path)!r} starts from other rows than those of {bundle!r}; "
            "write it again, against the version in service"
        )
    try:
        return _change(table, bundle)
    except (KeyError, ValueError) as error:
        raise ValueError(f"{str(path)!r} is damaged ({error}); write the delta again") from None


def _check_delta(file: Any) -> None:
    if not {_FINGERPRINT, _BASE, _RESULT} <= set(file.schema_arrow.metadata or {}):
        raise ValueError("it is no delta; write one with poeem export DIR --delta OLD --out FILE.parquet")


def check_same_training(bundle: Bundle, fingerprint: str, what: str) -> None:
    """Raise a ValueError if ``fingerprint`` is not the bundle's. ``what`` names the other side in the message."""
    if fingerprint != bundle.fingerprint:
        raise ValueError(
            f"{what} is of another training (fingerprint {fingerprint[:12]}) than {bundle!r} "
            f"({bundle.fingerprint[:12]}): every code has another meaning, and the two must not be mixed; "
            "export the new version whole"
        )


def rows_sha256(bundle: Bundle) -> str:
    """Return SHA-256 over ids, lists and codes, 64 hexadecimal digits. The order of the rows does not matter."""
    order = np.argsort(bundle.ids, kind="stable")
    digest = hashlib.sha256(bundle.codes[order].tobytes())
    if bundle.lists is not None:
        digest.update(bundle.lists[order].astype("<i4").tobytes())
    if bundle.string_ids:
        for one in bundle.ids[order].tolist():
            digest.update(one.encode() + b"\0")
    else:
        digest.update(bundle.ids[order].astype("<i8").tobytes())
    return digest.hexdigest()


def _applied(old: Bundle, path: Path) -> Bundle:
    """The old rows, without the user's columns, after the delta."""
    bare = replace(old, columns=None)
    catalogue, change = Catalogue(bare), read_delta(path, old)
    if change is not None:
        if change.added is not None:
            change = replace(change, added=replace(change.added, columns=None))
        catalogue.check(change)
        catalogue.apply(change)
    items = catalogue.items()
    return replace(bare, ids=items.ids.to_numpy(zero_copy_only=False), codes=items.codes, lists=items.lists)


def _table(diff: BundleDiff) -> pa.Table:
    import pyarrow as pa

    old, new = diff.old, diff.new
    changed, rows = diff.changed, np.concatenate([diff.added, diff.changed])
    removed = len(diff.removed)
    kinds = [_ADDED] * len(diff.added) + [_REPLACED] * len(changed) + [_DELETED] * removed
    ids = [*new.ids[rows].tolist(), *old.ids[diff.removed].tolist()]
    packed = [bytes(code) for code in pack_codes(new.codes[rows], new.spec.nbits)] if len(rows) else []
    columns = {
        "id": ids_to_arrow(ids) if ids else pa.array([], pa.string() if new.string_ids else pa.int64()),
        "change": pa.array(kinds, pa.string()),
        "code": pa.array([*packed, *[None] * removed], pa.binary(new.spec.bytes_per_vector)),
    }
    if new.lists is not None:
        columns["list"] = pa.array([*new.lists[rows].tolist(), *[None] * removed], pa.int32())
    table = pa.table(columns)
    if new.columns is not None:
        for field in new.columns.schema:
            found = new.columns[field.name].take(diff.added).combine_chunks()
            chunks = found.chunks if isinstance(found, pa.ChunkedArray) else [found]
            nulls = pa.nulls(len(changed) + removed, field.type)
            table = table.append_column(field.name, pa.chunked_array([*chunks, nulls], field.type))
    facts = {_FINGERPRINT: new.fingerprint, _BASE: rows_sha256(old), _RESULT: rows_sha256(new)}
    return table.replace_schema_metadata({key: value.encode() for key, value in facts.items()})


def _change(table: pa.Table, bundle: Bundle) -> Change | None:
    kinds = np.array(table["change"].to_pylist())
    names = [name for name in table.column_names if name not in _OURS]

    def coded(kind: str, *, with_columns: bool) -> CodedRows | None:
        rows = np.flatnonzero(kinds == kind)
        if not len(rows):
            return None
        some, spec = table.take(rows), bundle.spec
        packed = np.frombuffer(b"".join(some["code"].to_pylist()), np.uint8).reshape(len(rows), spec.bytes_per_vector)
        codes = unpack_codes(packed, spec.M, spec.nbits)
        lists = np.array(some["list"].to_pylist(), np.int32) if spec.nlist else None
        check_codes(spec, codes, lists)
        columns = some.select(names).replace_schema_metadata(None) if names and with_columns else None
        return CodedRows(some["id"].to_pylist(), codes, lists, columns)

    return Change(
        deleted=table.take(np.flatnonzero(kinds == _DELETED))["id"].to_pylist(),
        replaced=coded(_REPLACED, with_columns=False),
        added=coded(_ADDED, with_columns=True),
    )
