"""Replace a folder as a whole: the new contents are written beside it and swapped in by renames.

An interrupted swap can be finished. The steps of `replace_directory` for a target ``DIR/name``, and what `recover`
finds after each:

1. ``rename(new, .name.ready)``   the new contents are complete and on disk; the target is still the old one;
2. ``rename(name, .name.old)``    there is no target: `recover` moves ``.name.ready`` in;
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
    """Make an empty folder beside ``target`` for its new contents; a context manager that yields the folder's path.

    The folder is deleted at the end if `replace_directory` has not moved it away. Folders that dead writers of this
    machine left are deleted first.
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
    """Move the folder ``new`` to ``target``. At every moment the whole old or the whole new contents can be recovered.

    Args:
        new: the complete new folder, on the same file system as ``target``. It no longer exists afterwards.
        target: the folder to replace; it need not exist.
    Raises:
        ValueError: ``target`` is a symbolic link.
        OSError: a rename failed. `recover` then brings ``target`` to its old or its new contents.
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
    """Finish or undo an interrupted replacement of ``target``. Without such an interruption nothing changes.

    Returns:
        True if ``target`` was missing and has been put in place, else False.
    Raises:
        OSError: a rename failed.
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
    """Return True unless a replacement of ``target`` is between its two renames, now or since an interruption."""
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
            if pid.isdecimal() and not process_lives(int(pid)):
                shutil.rmtree(path, ignore_errors=True)


def process_lives(pid: int) -> bool:
    """Return whether a process with the id ``pid`` runs on this machine; always True on Windows."""
    if os.name == "nt":  # there os.kill(pid, 0) would end the process
        return True
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
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
    """Call fsync on a file, so that its contents survive a loss of power."""
    # Windows syncs only what is open for writing; elsewhere a read-only file must do too.
    descriptor = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_directory(path: Path) -> None:
    """Call fsync on a folder, so that new and renamed files in it survive a loss of power."""
    if os.name == "nt":  # directories cannot be opened there
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
