"""The facts and arrays of the trained index that are kept with a Lance dataset."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from poeem.bundle.arrays_file import write_arrays_file

# Key of the schema's metadata, and the file in the dataset's folder.
METADATA_KEY = b"poeem"
ARRAYS_FILE = "poeem.safetensors"


@dataclass(frozen=True)
class Facts:
    """Facts of the trained index, kept in the schema's metadata, which row changes leave as it is.

    Args:
        fingerprint: of the trained index.
        items_sha256: checksum of the bundle's items when the dataset was written.
        spec: the trained structure.
        metric: ``ip``, ``l2`` or ``cosine``.
        dim: width of an embedding.
        nprobe: lists visited per query unless a search says otherwise.
        lift: squared norm of all stored vectors where inner products became distances; else 0.
        centroids_sha256: checksum of the centroids in the index, by which it is known.
    """

    fingerprint: str
    items_sha256: str
    spec: str
    metric: str
    dim: int
    nprobe: int
    lift: float
    centroids_sha256: str


def array_sha256(array: np.ndarray) -> str:
    """Checksum of float32 values, row by row."""
    return hashlib.sha256(np.ascontiguousarray(array, dtype="<f4").tobytes()).hexdigest()


def schema_metadata(facts: Facts) -> dict[bytes, bytes]:
    """The facts as metadata of an arrow schema."""
    return {METADATA_KEY: json.dumps(asdict(facts)).encode()}


def read_facts(path: Path, metadata: Mapping[bytes, bytes] | None) -> Facts:
    """The facts of a dataset.

    Raises:
        ValueError: it was not written by an export.
    """
    try:
        stored: dict[str, Any] = json.loads((metadata or {})[METADATA_KEY])
        return Facts(**stored)
    except (KeyError, ValueError, TypeError):
        raise ValueError(f"{str(path)!r} is a Lance dataset, but of no export; export the bundle again") from None


def write_arrays(arrays: Mapping[str, np.ndarray], folder: Path, facts: Facts) -> None:
    """All arrays of the index, with its fingerprint: queries and new rows go through them."""
    write_arrays_file(arrays, folder / ARRAYS_FILE, metadata={"fingerprint": facts.fingerprint})


def read_arrays(path: Path, facts: Facts) -> dict[str, np.ndarray]:
    """The arrays of the index, by name.

    Raises:
        ValueError: the file is missing or damaged, or of another training.
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
