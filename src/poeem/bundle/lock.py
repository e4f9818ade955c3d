"""A lock that lets only one process write a folder. The system releases it when the process dies.

We do not use `filelock`, whose lock does not name the process that holds it.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from pathlib import Path

from poeem.bundle.regular_file import open_to_write

_PAUSE = 0.01


class BundleLocked(ValueError):
    """Another writer has the folder open."""


class WriterLock:
    """The lock of a folder. The constructor takes it; `release` or the end of the process gives it back.

    Args:
        target: the folder. The lock is the file ``.NAME.lock`` beside it.
        patience: how long to wait for the lock, seconds; needed because a reader that cleans up after a dead writer
            holds the lock briefly.
        what: what the error text calls the folder.
    Raises:
        ValueError: the lock file is a link or no regular file.
        BundleLocked: another writer holds the lock, in this process or in another one of this machine.
    """

    def __init__(self, target: Path, *, patience: float = 0.2, what: str = "bundle") -> None:
        self._what = what
        target = target.parent.resolve() / target.name
        self.path = target.parent / f".{target.name}.lock"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        until = time.monotonic() + patience
        while True:
            descriptor = open_to_write(self.path)
            try:
                if self._take(descriptor, target, until):
                    break
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)
        self._descriptor: int | None = descriptor

    def _take(self, descriptor: int, target: Path, until: float) -> bool:
        """Lock the file; False if it should be opened and tried again."""
        if not _try_lock(descriptor):
            if time.monotonic() < until:
                time.sleep(_PAUSE)
                return False
            owner = os.read(descriptor, 20).decode(errors="replace").strip()
            raise BundleLocked(
                f"{self._what} {str(target)!r} is open for changes already (process {owner or 'unknown'}); "
                "close that writer first, or wait until it ends"
            )
        # The writer before us may have deleted the file between our opening and our locking it.
        if not _is(descriptor, self.path):
            return False
        # The number only names the holder: a full disk may leave it out.
        with suppress(OSError):
            os.truncate(descriptor, 0)
            os.write(descriptor, str(os.getpid()).encode())
        return True

    def release(self) -> None:
        """Give the lock back. A second call has no effect."""
        if self._descriptor is not None:
            # While it is still ours: later the name may be another writer's.
            if sys.platform != "win32":  # an open file cannot be deleted there
                self.path.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> WriterLock:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def _try_lock(descriptor: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            # A byte far behind the owner's number, which others may read.
            os.lseek(descriptor, 1000, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            os.lseek(descriptor, 0, os.SEEK_SET)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _is(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False
