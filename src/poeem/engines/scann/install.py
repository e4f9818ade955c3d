"""Import ScaNN, an optional package."""

from __future__ import annotations

import importlib
from typing import Any


def import_scann(module: str) -> Any:
    """Import and return a module of the package ``scann``, such as ``scann.proto.scann_pb2``.

    Raises:
        ValueError: the package is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ValueError(
            f"engine 'scann' needs the package scann ({error}): pip install 'poeem-torch[scann]' (on Linux)"
        ) from None
