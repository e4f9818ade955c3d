"""A file for libraries that report a failed write by an error of their own, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any


class LibraryFile:
    """A binary file that remembers why a write failed.

    Args:
        path: the file to write; a file of this name is replaced.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self.error: OSError | None = None

    def write(self, data: Any) -> int:
        """Write bytes; after a failed write nothing more is written."""
        if self.error is None:
            try:
                return self._file.write(data)
            except OSError as error:
                self.error = error
        return len(data)

    def flush(self) -> None:
        """Nothing: the file is flushed when it is closed."""

    def close(self) -> None:
        """Write what is left and close."""
        if self.error is None:
            self._file.close()
            return
        with suppress(OSError):
            self._file.close()


@contextmanager
def library_file(path: Path) -> Iterator[LibraryFile]:
    """A file for a library to write to.

    Raises:
        OSError: a write failed, whatever the library made of it.
    """
    file = LibraryFile(path)
    try:
        yield file
    finally:
        file.close()
        if file.error is not None:
            raise file.error
