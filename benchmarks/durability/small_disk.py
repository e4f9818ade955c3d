"""A file system of a few MiB in memory, with so much room as an attack leaves."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

MEBIBYTES = 16


@contextmanager
def small_disk() -> Iterator[Path | None]:
    """A tmpfs; None where this system does not let us mount one."""
    mount = shutil.which("mount")
    with TemporaryDirectory() as name:
        options = ["-t", "tmpfs", "-o", f"size={MEBIBYTES}m", "tmpfs", name]
        if mount is None or subprocess.run([mount, *options], capture_output=True).returncode != 0:
            yield None
            return
        try:
            yield Path(name)
        finally:
            # Lazily: a bundle that was read may still be mapped.
            subprocess.run(["umount", "-l", name], check=True)


def leave_room(disk: Path, room: int) -> Path:
    """Fill a disk until ``room`` bytes are free; the file that fills it."""
    filler = disk / "filler"
    facts = os.statvfs(disk)
    size = facts.f_bavail * facts.f_frsize - room
    with filler.open("wb") as file:
        if size > 0:
            os.posix_fallocate(file.fileno(), 0, size)
    return filler
