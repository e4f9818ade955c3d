"""Open files in untrusted folders: regular files only, and no writing through links."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

_NO_LINK, _NO_WAIT, _BINARY = (getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"))


def open_to_read(path: str | Path) -> BinaryIO:
    """Open a regular file for reading, and return the binary file object. The call never waits for a FIFO or a device.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no regular file.
    """
    # Without O_NONBLOCK the opening of a FIFO waits for its writer.
    descriptor = os.open(path, os.O_RDONLY | _NO_WAIT | _BINARY)
    _refuse(descriptor, path, stat.S_ISREG(os.fstat(descriptor).st_mode), "is not a regular file; replace it")
    return os.fdopen(descriptor, "rb")


def read_file(path: str | Path) -> bytes:
    """Return the contents of a regular file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no regular file.
    """
    with open_to_read(path) as file:
        return file.read()


def open_to_write(path: str | Path) -> int:
    """Open a file for reading and writing, and return its descriptor. A missing file is created; contents are kept.

    Raises:
        ValueError: it is a link, no regular file, or has a second name (a hard link) that others may use.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | _NO_LINK | _NO_WAIT | _BINARY, 0o666)
    except OSError as error:
        if os.path.islink(path):
            raise ValueError(f"{str(path)!r} is a symbolic link and is not written through; delete it") from None
        raise error
    facts = os.fstat(descriptor)
    own = stat.S_ISREG(facts.st_mode) and facts.st_nlink <= 1
    _refuse(descriptor, path, own, "is not a regular file with one name, and is not written to; delete it")
    return descriptor


def refuse_link(path: str | Path) -> None:
    """Raise a ValueError if ``path``, a folder that is to be written or replaced, is a symbolic link."""
    if os.path.islink(path):
        raise ValueError(f"{str(path)!r} is a symbolic link and is not followed; delete it, or name the folder itself")


def _refuse(descriptor: int, path: str | Path, right: bool, why: str) -> None:
    if not right:
        os.close(descriptor)
        raise ValueError(f"{str(path)!r} {why}")
