"""A file object for libraries that hide a failed write, or report it by an error of their own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any


class LibraryFile:
    """A binary file that remembers the error of a failed write, as ``error``.

    Args:
        path: the file to write. An existing file is overwritten.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self.error: OSError | None = None

    def write(self, data: Any) -> int:
        """Write bytes, and return their number. After a failed write nothing more is written."""
        if self.error is None:
            try:
                return self._file.write(data)
            except OSError as error:
                self.error = error
        return len(data)

    def flush(self) -> None:
        """Do nothing: `close` writes everything."""

    def close(self) -> None:
        """Write buffered bytes and close the file."""
        if self.error is None:
            self._file.close()
            return
        with suppress(OSError):
            self._file.close()


@contextmanager
def library_file(path: Path) -> Iterator[LibraryFile]:
    """Open a file for a library to write to; a context manager that yields a `LibraryFile`.

    Raises:
        OSError: a write failed, even if the library ignored the error or raised another one.
    """
    file = LibraryFile(path)
    try:
        yield file
    finally:
        file.close()
        if file.error is not None:
            raise file.error
