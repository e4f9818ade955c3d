"""One writer a folder: a lock file beside it that the system unlocks when the writer dies.

Our own rather than `filelock`'s, whose lock does not name the process that holds it.
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
    """Taken when made; given back by `release`, and by the system when the process ends, however it ends.

    Args:
        target: the folder; the lock is the file ``.NAME.lock`` beside it.
        patience: seconds to wait for it; a reader that clears up after a dead writer has it for a moment.
        what: the folder's name in the message.
    Raises:
        ValueError: the lock file is a link or no regular file.
        BundleLocked: a writer has it, in this process or in another of this machine.
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
        """Give it back; again is harmless."""
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
