"""Import Lance, an optional package."""

from __future__ import annotations

import importlib
import os
from typing import Any


def import_lance() -> Any:
    """Import and return the package ``lance``.

    Raises:
        ValueError: the package is not installed.
    """
    # The centroids are how an index that is no longer ours is known; without a choice Lance warns of a later default.
    os.environ.setdefault("LANCE_INCLUDE_VECTOR_CENTROIDS", "true")
    try:
        return importlib.import_module("lance")
    except ImportError as error:
        raise ValueError(
            f"engine 'lance' needs the package pylance ({error}): pip install 'poeem-torch[lance]'"
        ) from None
