"""Check the output of a command before any work, and lock an output folder while the command runs."""

from __future__ import annotations

import functools
import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

_OUTPUTS = ("out", "html")
_FOLDER_COMMANDS = ("train", "fit", "encode", "bench")
# Parts of a run, in which no command may write another output. A manifest beside the bundle would make the run look
# like one.
_RUN_PARTS = ("bundle", "model", "checkpoints", "metrics.json", "manifest.json")


def guarded(command: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that runs the command within :func:`output_guard`."""

    @functools.wraps(command)
    def run(**options: Any) -> Any:
        with output_guard(command.__name__, options):
            return command(**options)

    return run


@contextmanager
def output_guard(command: str, values: Mapping[str, Any]) -> Iterator[None]:
    """Check the output of a command, and lock an output folder against other commands; a context manager.

    Args:
        command: name of the command.
        values: its arguments and settings by name.
    Raises:
        ValueError, FileNotFoundError, PermissionError: see `check_output`.
        BundleLocked: another command writes to the folder.
    """
    makes_folder = command in _FOLDER_COMMANDS
    inputs = list(_paths(value for name, value in values.items() if name not in _OUTPUTS))
    with ExitStack() as locks:
        for name in _OUTPUTS:
            out = values.get(name)
            if out is None:
                continue
            check_output(out, inputs, makes_folder=makes_folder)
            # Under torchrun all ranks run the command; only the first one takes the lock.
            if makes_folder and os.environ.get("RANK", "0") == "0":
                from poeem.bundle.lock import WriterLock

                locks.enter_context(WriterLock(Path(out), what="folder"))
        yield


def check_output(out: str | Path, inputs: Sequence[Path], *, makes_folder: bool = False) -> None:
    """Raise an error if an output must not or cannot be written.

    Args:
        out: the file or folder that a command writes.
        inputs: the files and folders that it reads.
        makes_folder: whether the command creates missing folders above ``out``.
    Raises:
        ValueError: ``out`` is an input, is inside a run or bundle, or is a device, a FIFO or a link to a file.
        FileNotFoundError: the folder of ``out`` does not exist.
        PermissionError: the user may not write there.
    """
    out = Path(out)
    for path in inputs:
        if os.path.exists(out) and os.path.exists(path) and os.path.samefile(out, path):
            raise ValueError(f"--out (={str(out)!r}) is an input of this command; name another place")
    if os.path.lexists(out):
        mode = os.stat(out).st_mode if out.is_dir() else os.lstat(out).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise ValueError(f"--out (={str(out)!r}) is a link, a device or a FIFO; name a file or folder")
    place = Path(os.path.realpath(out))
    for folder in (place, *place.parents):
        part = next(iter(place.relative_to(folder).parts), "")
        in_run = part in _RUN_PARTS and (folder / "bundle" / "manifest.json").is_file()
        if in_run or ((folder / "manifest.json").is_file() and (folder / "arrays.safetensors").is_file()):
            raise ValueError(f"--out (={str(out)!r}) lies in the run or bundle {str(folder)!r}; name another place")
    above = place.parent
    while makes_folder and not os.path.lexists(above):
        above = above.parent
    if not above.exists():
        raise FileNotFoundError(f"no folder {str(above)!r} to write {out.name!r} into; create it first")
    if not above.is_dir():
        raise ValueError(f"--out (={str(out)!r}): {str(above)!r} is a file, not a folder; name another place")
    target = place if place.is_dir() else above
    if not os.access(target, os.W_OK | os.X_OK):
        raise PermissionError(f"--out (={str(out)!r}): no right to write in {str(target)!r}; name another place")


def _paths(values: Any) -> Iterator[Path]:
    for value in values:
        if isinstance(value, Path):
            yield value
        elif isinstance(value, list | tuple):
            yield from _paths(value)
