"""Facts and arrays of the trained index that are stored with a Lance dataset."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from poeem.bundle.arrays_file import write_arrays_file
from poeem.engines.export_facts import ExportFacts

# Key of the schema's metadata, and the file in the dataset's folder.
METADATA_KEY = b"poeem"
ARRAYS_FILE = "poeem.safetensors"


@dataclass(frozen=True)
class Facts(ExportFacts):
    """The facts of a Lance dataset, stored in the schema's metadata. Changes of rows keep them.

    Args:
        lift: squared norm of all stored vectors if inner products were turned into distances (see `layout`); else 0.
        centroids_sha256: checksum of the centroids in the index, to notice a later training by other tools.
    """

    lift: float
    centroids_sha256: str


def array_sha256(array: np.ndarray) -> str:
    """Return SHA-256 over the float32 values of an array, row by row, 64 hexadecimal digits."""
    return hashlib.sha256(np.ascontiguousarray(array, dtype="<f4").tobytes()).hexdigest()


def schema_metadata(facts: Facts) -> dict[bytes, bytes]:
    """Return the facts as metadata of an arrow schema."""
    return {METADATA_KEY: json.dumps(asdict(facts)).encode()}


def read_facts(path: Path, metadata: Mapping[bytes, bytes] | None) -> Facts:
    """Read the facts from the metadata of a dataset's schema; ``path`` is for the message.

    Raises:
        ValueError: the dataset was not written by an export.
    """
    try:
        stored: dict[str, Any] = json.loads((metadata or {})[METADATA_KEY])
        return Facts(**stored)
    except (KeyError, ValueError, TypeError):
        raise ValueError(f"{str(path)!r} is a Lance dataset, but of no export; export the bundle again") from None


def write_arrays(arrays: Mapping[str, np.ndarray], folder: Path, facts: Facts) -> None:
    """Write all arrays of the trained index into the dataset's folder; queries and new rows need them."""
    write_arrays_file(arrays, folder / ARRAYS_FILE, metadata={"fingerprint": facts.fingerprint})


def read_arrays(path: Path, facts: Facts) -> dict[str, np.ndarray]:
    """Read the arrays of the trained index from the dataset's folder; return them by name.

    Raises:
        ValueError: the file is missing, damaged or of another training.
    """
    from safetensors import SafetensorError, safe_open

    file = path / ARRAYS_FILE
    try:
        with safe_open(file, framework="numpy") as opened:
            fingerprint = (opened.metadata() or {}).get("fingerprint")
            arrays = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise ValueError(
            f"{str(file)!r} cannot be read ({error}): queries go through its arrays; copy the whole folder, or export "
            "the bundle again"
        ) from None
    if fingerprint != facts.fingerprint:
        raise ValueError(f"{str(file)!r} is of another training than the dataset around it; export the bundle again")
    return arrays
