"""Items in a ``.npy`` file of vectors, and items that a run reads from a file as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from poeem.data.vectors import read_vectors, release_pages
from poeem.training.encoding.source import Part, block_slices, checked_floats, divided, file_facts
from poeem.training.recipes.recipe import Run


class NpySource:
    """Vectors of a ``.npy`` file, mapped into memory. Ids are row numbers.

    Args:
        path: the file, ``(n, dim)``.
        dim: width that the vectors must have.
    Raises:
        ValueError: see `read_vectors`.
    """

    def __init__(self, path: Path, dim: int) -> None:
        self._path, self._vectors = path, read_vectors(path, dim=dim)

    @property
    def identity(self) -> dict[str, Any]:
        """Name, size and time of change of the file."""
        return {"files": [file_facts(self._path)]}

    def parts(self, rows: int) -> list[Part]:
        """Divide the rows into parts of equal size."""
        return divided(len(self._vectors), rows)

    def blocks(self, part: Part) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Read row numbers and vectors of a part."""
        for rows in block_slices(part):
            block = checked_floats(self._vectors[rows], str(self._path), rows.start)
            release_pages(self._vectors)
            yield np.arange(rows.start, rows.stop), block


class ModelSource:
    """Items of a file that the model of a run encodes, see ``items_of_file`` of the run.

    Args:
        run: the run.
        path: a file of items, or a folder of images.
    """

    def __init__(self, run: Run, path: Path) -> None:
        self._path = path
        self._ids, self._vectors_of = run.items_of_file(path)

    @property
    def identity(self) -> dict[str, Any]:
        """Name, size and time of change of the file or folder, and the number of items."""
        facts = [file_facts(self._path)] if self._path.exists() else []
        return {"files": facts, "items": len(self._ids)}

    def parts(self, rows: int) -> list[Part]:
        """Divide the items into parts of equal size."""
        return divided(len(self._ids), rows)

    def blocks(self, part: Part) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Read ids and vectors of a part."""
        for rows in block_slices(part):
            yield self._ids[rows], self._vectors_of(rows)
