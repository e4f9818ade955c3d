"""The manifest of a bundle: its structure and the checksums of its files and of itself, as JSON."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from poeem.metric import check_metric
from poeem.spec import IndexSpec

MANIFEST_FILE = "manifest.json"
ARRAYS_FILE = "arrays.safetensors"
ITEMS_FILE = "items.parquet"
LOG_FILE, HEAD_FILE = "changes.log", "changes.head"
DATA_FILES = (ARRAYS_FILE, ITEMS_FILE)

FORMAT_VERSION = 1
# MIGRATIONS[v] turns the manifest of format version v into one of version v + 1.
MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}


@dataclass(frozen=True)
class FileRecord:
    """Size in bytes and SHA-256 (64 hexadecimal digits) of a file."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """The contents of `manifest.json`.

    Args:
        spec: the trained structure.
        metric: ``ip``, ``l2`` or ``cosine``.
        dim: width of an embedding.
        rows: number of items.
        id_type: ``int64`` or ``string``.
        fingerprint: SHA-256 over spec, metric, dim and arrays.
        files: size and checksum of each data file, by its name.
        training: facts about the training, JSON values.
    """

    spec: IndexSpec
    metric: str
    dim: int
    rows: int
    id_type: str
    fingerprint: str
    files: Mapping[str, FileRecord]
    training: Mapping[str, Any]

    def to_json(self) -> str:
        """Return the text of `manifest.json`.

        Raises:
            ValueError: a training fact is no JSON value.
        """
        fields = {
            "format": "poeem bundle",
            "format_version": FORMAT_VERSION,
            "spec": str(self.spec),
            "metric": self.metric,
            "dim": self.dim,
            "rows": self.rows,
            "id_type": self.id_type,
            "fingerprint": self.fingerprint,
            "files": {name: vars(record) for name, record in self.files.items()},
            "training": json_value(self.training),
        }
        fields["checksum"] = manifest_checksum(fields)
        return json.dumps(fields, indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, data: bytes) -> Manifest:
        """Read the bytes of `manifest.json`, of this or an older format version, and check them.

        Raises:
            ValueError: the manifest is damaged, of a newer format version, or has an impossible value.
        """
        fields = _parse(data)
        version = fields.get("format_version")
        if type(version) is not int or version < 1:
            raise ValueError(f"format_version (={version!r}) is not one of a bundle; write the bundle again")
        if version > FORMAT_VERSION:
            raise ValueError(
                f"format_version (={version}) is newer than this poeem reads ({FORMAT_VERSION}); upgrade poeem"
            )
        # Before any migration: the checksum is of the fields as they were written.
        checksum = fields.pop("checksum", None)
        if checksum != manifest_checksum(fields):
            raise ValueError(
                "it has changed since it was written (checksum differs); restore it or write the bundle again"
            )
        for old in range(version, FORMAT_VERSION):
            if old not in MIGRATIONS:
                raise ValueError(f"format_version (={version}) is no longer read; open it with an older poeem")
            fields = MIGRATIONS[old](fields)
        return _checked(fields)


def manifest_checksum(fields: Mapping[str, Any]) -> str:
    """Return SHA-256 over the manifest's fields, 64 hexadecimal digits. It shows later edits of the manifest."""
    canonical = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def json_value(training: Mapping[str, Any]) -> Any:
    """Return the facts as JSON values, or raise a ValueError. Tuples become lists, numpy numbers become numbers."""

    def plain(value: Any) -> Any:
        if isinstance(value, np.generic | np.ndarray):
            return value.tolist()
        raise TypeError(f"{type(value).__name__} is not a JSON value")

    try:
        return json.loads(json.dumps(dict(training), default=plain, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"training facts must be JSON values: {error}; pass strings, finite numbers, lists, dicts"
        ) from None


def _parse(data: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(data.decode())
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise ValueError(f"it is not JSON ({error}); restore it or write the bundle again") from None
    if not isinstance(fields, dict) or fields.get("format") != "poeem bundle":
        raise ValueError('it is not the manifest of a poeem bundle ("format": "poeem bundle" is missing)')
    return fields


def _checked(fields: dict[str, Any]) -> Manifest:
    def field(name: str, kind: type) -> Any:
        value = fields.get(name)
        if type(value) is not kind:
            raise ValueError(f"{name} (={value!r}) must be {kind.__name__}; write the bundle again")
        return value

    spec = IndexSpec.parse(field("spec", str))
    dim, rows, metric = field("dim", int), field("rows", int), field("metric", str)
    spec.check_dim(dim)
    check_metric(metric)
    if rows < 1:
        raise ValueError(f"rows (={rows}) must be at least 1; write the bundle again")
    if field("id_type", str) not in ("int64", "string"):
        raise ValueError(f"id_type (={fields['id_type']!r}) must be int64 or string; write the bundle again")
    files = field("files", dict)
    # The names are ours and fixed: no other name, and so no path out of the bundle, is ever opened.
    if set(files) != set(DATA_FILES):
        raise ValueError(f"files (={sorted(map(str, files))}) must be {', '.join(DATA_FILES)}; write the bundle again")
    for name, record in files.items():
        if (
            not isinstance(record, dict)
            or set(record) != {"bytes", "sha256"}
            or type(record["bytes"]) is not int
            or type(record["sha256"]) is not str
        ):
            raise ValueError(f"files: the record of {name} must hold bytes and sha256; write the bundle again")
    return Manifest(
        spec=spec,
        metric=metric,
        dim=dim,
        rows=rows,
        id_type=fields["id_type"],
        fingerprint=field("fingerprint", str),
        files={name: FileRecord(**record) for name, record in files.items()},
        training=field("training", dict),
    )
