"""Opening files of untrusted folders: regular files only, never written through a link."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

_NO_LINK, _NO_WAIT, _BINARY = (getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"))


def open_to_read(path: str | Path) -> BinaryIO:
    """Open a regular file; a FIFO is not waited for, a device not read.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no regular file.
    """
    # Without O_NONBLOCK the opening of a FIFO waits for its writer.
    descriptor = os.open(path, os.O_RDONLY | _NO_WAIT | _BINARY)
    _refuse(descriptor, path, stat.S_ISREG(os.fstat(descriptor).st_mode), "is not a regular file; replace it")
    return os.fdopen(descriptor, "rb")


def read_file(path: str | Path) -> bytes:
    """The contents of a regular file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no regular file.
    """
    with open_to_read(path) as file:
        return file.read()


def open_to_write(path: str | Path) -> int:
    """Open a file of ours for reading and writing, without cutting it; make it if it is not there.

    Returns:
        the descriptor.
    Raises:
        ValueError: it is a link, no regular file, or has a second name (a hard link), so that it may be another's.
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
    """Refuse a symbolic link where a folder of ours is to be written or replaced.

    Raises:
        ValueError: it is one.
    """
    if os.path.islink(path):
        raise ValueError(f"{str(path)!r} is a symbolic link and is not followed; delete it, or name the folder itself")


def _refuse(descriptor: int, path: str | Path, right: bool, why: str) -> None:
    if not right:
        os.close(descriptor)
        raise ValueError(f"{str(path)!r} {why}")
