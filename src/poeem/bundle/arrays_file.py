"""Write arrays into a safetensors file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np


def write_arrays_file(arrays: Mapping[str, np.ndarray], path: Path, metadata: dict[str, str] | None = None) -> None:
    """Write arrays into a safetensors file, with the permissions that the umask gives.

    Args:
        arrays: the arrays by name.
        path: the file to write. An existing file is overwritten.
        metadata: texts by name, kept in the file's header.
    """
    from safetensors.numpy import save_file

    save_file({name: np.array(array) for name, array in arrays.items()}, path, metadata=metadata)
    rights_by_umask(path)


def rights_by_umask(path: Path) -> None:
    """Give a file the permissions of a new file; safetensors makes its files readable by their owner alone."""
    probe = path.with_name(f".{path.name}.rights-{os.getpid()}")
    descriptor = os.open(probe, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o666)
    try:
        mode = os.fstat(descriptor).st_mode & 0o777
    finally:
        os.close(descriptor)
        probe.unlink()
    os.chmod(path, mode)
