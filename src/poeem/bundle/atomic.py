"""Replace a directory as a whole: written beside its place, then swapped in by renames that survive interruption.

The steps of `replace_directory` for a target ``DIR/name``, and what `recover` finds after each:

1. ``rename(new, .name.ready)``   the new contents are complete and on disk; the target is still the old one;
2. ``rename(name, .name.old)``    there is no target: ``.name.ready`` is moved in;
3. ``rename(.name.ready, name)``  the target is the new one; ``.name.old`` is no longer needed;
4. delete ``.name.old``.
"""

from __future__ import annotations

import itertools
import os
import platform
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from poeem.bundle.regular_file import refuse_link

_counter = itertools.count()


@contextmanager
def staging(target: str | Path) -> Iterator[Path]:
    """A fresh empty directory beside ``target`` to write the new contents into; deleted afterwards unless swapped in.

    Leftovers of writers of this machine that have died are deleted first.
    """
    target = _place(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    _delete_dead_stagings(target)
    new = target.parent / f"{_staging_prefix(target)}{os.getpid()}-{next(_counter)}"
    if new.exists():
        # A dead process of our own process id left it.
        shutil.rmtree(new)
    new.mkdir()
    try:
        yield new
    finally:
        shutil.rmtree(new, ignore_errors=True)


def replace_directory(new: str | Path, target: str | Path) -> None:
    """Make ``target`` be the directory ``new``; at every moment the old or the new contents can be recovered whole.

    Args:
        new: the complete new directory, on the same file system as ``target``; consumed.
        target: what it replaces; need not exist.
    Raises:
        ValueError: ``target`` is a symbolic link.
        OSError: a rename failed; `recover` brings ``target`` to its old or its new contents.
    """
    new, target = Path(new), _place(target)
    ready, old = _beside(target)
    refuse_link(target)
    recover(target)
    # Complete, but older than the caller's contents.
    if ready.exists():
        shutil.rmtree(ready)
    _sync_tree(new)
    os.rename(new, ready)
    sync_directory(target.parent)
    if target.exists():
        os.rename(target, old)
        sync_directory(target.parent)
    try:
        os.rename(ready, target)
    except FileNotFoundError:
        # A reader that called recover() between the two renames has moved it in already.
        if not target.exists():
            raise
    sync_directory(target.parent)
    shutil.rmtree(old, ignore_errors=True)


def recover(target: str | Path) -> bool:
    """Finish or undo a replacement of ``target`` that was interrupted; harmless at any other time.

    Returns:
        whether ``target`` was missing and has been put in place.
    """
    target = _place(target)
    ready, old = _beside(target)
    if target.exists():
        # With `ready` still there the swap may be running in another process: nothing is changed.
        if old.exists() and not ready.exists():
            shutil.rmtree(old, ignore_errors=True)
        return False
    for complete in (ready, old):
        if not complete.exists():
            continue
        try:
            os.rename(complete, target)
        except OSError as error:
            # The writer or another reader has moved it in meanwhile.
            if isinstance(error, FileNotFoundError) or target.exists():
                continue
            raise
        sync_directory(target.parent)
        if complete is ready:
            shutil.rmtree(old, ignore_errors=True)
        return True
    return False


def no_swap_pending(target: str | Path) -> bool:
    """Whether no replacement of ``target`` is between its two renames, or was interrupted there."""
    ready, old = _beside(_place(target))
    return not ready.exists() and not old.exists()


def _place(target: str | Path) -> Path:
    """The absolute path of ``target``; if it is a link itself, that of the link."""
    target = Path(os.path.abspath(target))
    return target.parent.resolve() / target.name


def _beside(target: Path) -> tuple[Path, Path]:
    return target.parent / f".{target.name}.ready", target.parent / f".{target.name}.old"


def _staging_prefix(target: Path) -> str:
    return f".{target.name}.new-{re.sub('[^A-Za-z0-9]', '_', platform.node())}-"


def _delete_dead_stagings(target: Path) -> None:
    prefix = _staging_prefix(target)
    for path in target.parent.iterdir():
        if path.name.startswith(prefix):
            pid = path.name.removeprefix(prefix).split("-")[0]
            if pid.isdigit() and not process_lives(int(pid)):
                shutil.rmtree(path, ignore_errors=True)


def process_lives(pid: int) -> bool:
    """Whether a process of this number runs on this machine."""
    if os.name == "nt":  # there os.kill(pid, 0) would end the process
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _sync_tree(root: Path) -> None:
    for folder, _, names in os.walk(root):
        for name in names:
            sync_file(os.path.join(folder, name))
        sync_directory(Path(folder))


def sync_file(path: str | Path) -> None:
    """Bring a file's contents to the disk."""
    # Windows syncs only what is open for writing; elsewhere a read-only file must do too.
    descriptor = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_directory(path: Path) -> None:
    """fsync a folder, so that new and renamed files survive a loss of power."""
    if os.name == "nt":  # directories cannot be opened there
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
