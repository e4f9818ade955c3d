"""A bundle against a dict, through random changes, compactions, deaths and losses of power."""

from __future__ import annotations

import os
import shutil
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from poeem.bundle import BundleEditor, open_bundle
from tests import forked

# What a dying writer leaves behind is said by the next one.
pytestmark = pytest.mark.filterwarnings("ignore:.*was never acknowledged:UserWarning")

HOWS = ["before", "after", "half", "power"]
LINUX = sys.platform == "linux"


class Killed(BaseException):
    """Stands for the death of the process: no handler of ours catches it."""


class Disk:
    """Die at the ``step``-th thing that reaches the disk, and lose what had not been synced if the power goes.

    Args:
        step: at which to die; counts from 0.
        how: ``before`` it happens, ``after`` it, ``half`` way through it if it is a write, or ``power``: after it, and
            then all that was written and not synced is lost, contents and names.
    """

    def __init__(self, step: int, how: str) -> None:
        self.step, self.how, self.done = step, how, 0
        self._contents: dict[int, bytes] = {}
        self._names: dict[str, set[str]] = {}
        self._root: Path | None = None

    @contextmanager
    def watch(self, monkeypatch, root: Path):
        """All that is under ``root`` has long been on the disk."""
        self._root = root
        for folder in [root, *(p for p in root.rglob("*") if p.is_dir())]:
            self._names[str(folder)] = set(os.listdir(folder))
        for file in root.rglob("*"):
            if file.is_file():
                self._contents[file.stat().st_ino] = file.read_bytes()
        with monkeypatch.context() as patched:
            for name in ("write", "fsync", "ftruncate", "rename", "unlink"):
                patched.setattr(os, name, self._deadly(name, getattr(os, name)))
            patched.setattr(shutil, "rmtree", self._deadly("rmtree", shutil.rmtree))
            yield

    def _deadly(self, name, function):
        def wrapper(*args, **kwargs):
            self.done += 1
            alive = self.done <= self.step
            if alive or (self.done == self.step + 1 and self.how in ("after", "power")):
                result = function(*args, **kwargs)
                if name == "fsync":
                    self._synced(args[0])
                if alive:
                    return result
            elif self.done == self.step + 1 and self.how == "half" and name == "write":
                function(args[0], bytes(args[1])[: len(args[1]) // 2])
            raise Killed

        return wrapper

    def _synced(self, descriptor: int) -> None:
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}")) if LINUX else None
        if path is None:
            return
        if path.is_dir():
            self._names[str(path)] = set(os.listdir(path))
            for name in self._names[str(path)]:
                # A folder that was renamed into here brings its own names along, by its inode.
                if (path / name).is_dir():
                    self._names.setdefault(str(path / name), self._names_of(path / name))
        else:
            self._contents[os.fstat(descriptor).st_ino] = path.read_bytes()

    def _names_of(self, folder: Path) -> set[str]:
        return {one.name for one in folder.iterdir()}

    def lose_power(self, folder: Path) -> None:
        """Leave of the files in ``folder`` what had been synced."""
        known = self._names.get(str(folder))
        for file in list(folder.iterdir()):
            durable = self._contents.get(file.stat().st_ino, b"")
            if known is not None and file.name not in known:
                file.unlink()
            elif file.read_bytes() != durable:
                file.write_bytes(durable)


def abandon(editor) -> None:
    """What the system does for a process that is dead: its files are closed, its lock is free, nothing is written."""
    if editor._log is not None:
        editor._log.close()
    if editor._lock is not None and editor._lock._descriptor is not None:
        os.close(editor._lock._descriptor)
        editor._lock._descriptor = None


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("operation", ["add", "replace", "delete", "compact", "close"])
def test_a_death_at_any_step_loses_nothing_and_doubles_nothing(
    tmp_path, monkeypatch, small_bundle, model_of, draw, operation, first, how
):
    for step in range(40):
        path = tmp_path / f"{step}" / "b"
        model = model_of(small_bundle(path))
        editor = BundleEditor(path)
        if not first:
            model.rows = model.put([1, 2], some := draw(2))
            editor.add([1, 2], some)
        some = draw(2)
        wanted = {
            "add": lambda some=some, model=model: model.put([3, 4], some),
            "replace": lambda some=some, model=model: model.put([101, 102], some),
            "delete": lambda model=model: model.without([103]),
        }.get(operation, lambda model=model: model.rows)()
        disk = Disk(step, how)
        died = False
        with disk.watch(monkeypatch, path.parent):
            try:
                if operation in ("add", "replace"):
                    getattr(editor, operation)([3, 4] if operation == "add" else [101, 102], some)
                elif operation == "delete":
                    editor.delete([103])
                elif operation == "compact":
                    editor.compact()
                else:
                    editor.close()
            except Killed:
                died = True
        abandon(editor)
        # A change that was acknowledged before the power went must be there, too.
        if how == "power" and LINUX and path.is_dir():
            disk.lose_power(path)
        found = model_of.read(open_bundle(path))
        assert found in ((model.rows, wanted) if died else (wanted,)), (step, disk.done)
        # The next writer finds the same, and neither stumbles over the leftovers nor leaves any.
        with BundleEditor(path) as editor:
            assert model_of.read(editor.bundle) == found
            model.rows = found
            model.rows = model.put([9], one := draw(1))
            editor.add([9], one)
            assert model_of.read(open_bundle(path)) == model.rows
            assert model_of.read(editor.compact()) == model.rows
        assert model_of.read(open_bundle(path)) == model.rows
        assert not (path / "changes.log").exists()
        if not died:
            break
    assert not died, "the operation has more steps than were tried"
    assert step >= (0 if first and operation in ("compact", "close") else 1)


@pytest.mark.parametrize("spec", ["IVF4,PQ2x4", "RQ2x4"])
@pytest.mark.parametrize("seed", range(2))
def test_random_lives_agree_with_a_dict(tmp_path, monkeypatch, small_bundle, model_of, spec, seed):
    path = tmp_path / "b"
    rng = np.random.default_rng(seed)
    model = model_of(small_bundle(path, spec=spec, strings=seed == 1))
    name = (lambda i: f"new {i}") if seed == 1 else int
    fresh, deaths, editor = 1000, 0, BundleEditor(path)
    for _ in range(150):
        kind = rng.choice(["add", "replace", "delete", "compact", "reopen"], p=[0.35, 0.3, 0.25, 0.05, 0.05])
        some = int(rng.integers(1, 4))
        x = rng.standard_normal((some, 8)).astype("float32")
        if kind == "add":
            ids = [name(fresh + i) for i in range(some)]
            fresh += some
        else:
            ids = [list(model.rows)[i] for i in rng.choice(len(model.rows), some, replace=False)]
        wanted = model.rows
        if kind in ("add", "replace"):
            wanted = model.put(ids, x)
        elif kind == "delete":
            if len(model.rows) < 6:
                continue
            wanted = model.without(ids)
        disk = Disk(int(rng.integers(0, 40)), str(rng.choice(HOWS[:3])))
        died = False
        with disk.watch(monkeypatch, path.parent):
            try:
                if kind == "reopen":
                    editor.close()
                    editor = BundleEditor(path)
                elif kind == "compact":
                    editor.compact()
                else:
                    getattr(editor, kind)(*([ids] if kind == "delete" else [ids, x]))
            except Killed:
                died = True
        if died:
            deaths += 1
            abandon(editor)
            editor = BundleEditor(path)
        found = model_of.read(editor.bundle)
        assert list(found.items()) in ([list(model.rows.items())] if died else []) + [list(wanted.items())]
        model.rows = found
    editor.close()
    assert list(model_of.read(open_bundle(path)).items()) == list(model.rows.items())
    assert deaths > 5


def keep_changing(path: Path, at: int, log: Path) -> None:
    """Add, delete and compact without end, and write a line after every change."""
    editor, rng = BundleEditor(path), np.random.default_rng(0)
    said = os.open(log, os.O_WRONLY | os.O_CREAT)
    while True:
        at += 1
        editor.add([at], rng.standard_normal((1, 8)).astype("float32"))
        os.write(said, f"added {at}\n".encode())
        if at % 3 == 0:
            editor.delete([at])
            os.write(said, f"deleted {at}\n".encode())
        if at % 10 == 0:
            editor.compact()


@pytest.mark.slow
def test_kill_9_at_any_moment(tmp_path, small_bundle):
    """A process that adds and deletes and says so; whatever it had said when it was killed has happened."""
    path = tmp_path / "b"
    small_bundle(path)
    rng, at = np.random.default_rng(0), 1000
    expected = set(open_bundle(path).ids.tolist())
    for trial in range(8):
        log, lines = tmp_path / f"{trial}.log", int(rng.integers(1, 60))
        process = forked.start(keep_changing, path, at, log)
        while not log.exists() or log.read_text().count("\n") < lines:
            assert process.is_alive()
            time.sleep(0.001)
        process.kill()
        process.join()
        for line in log.read_text().splitlines():
            change, number = line.split()
            (expected.add if change == "added" else expected.remove)(int(number))
            at = int(number)
        found = set(open_bundle(path).ids.tolist())
        # The change after the last one that was said may have happened, too: of every third item, a deletion.
        deleted = {at} if change == "added" and at % 3 == 0 else set()
        assert expected - found <= deleted, (expected - found, change, at)
        assert found - expected <= ({at + 1} if not deleted else set()), (found - expected, change, at)
        expected, at = found, at + 1
