from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from poeem.bundle import atomic
from poeem.bundle.atomic import recover, replace_directory, staging


class Killed(BaseException):
    """Stands for the death of the process: no handler of ours catches it."""


def fill(path, text):
    path.mkdir(parents=True, exist_ok=True)
    (path / "a.txt").write_text(text)
    (path / "deep").mkdir()
    (path / "deep" / "b.txt").write_text(text)
    return path


def contents(path):
    texts = {(path / name).read_text() for name in ("a.txt", "deep/b.txt")}
    assert len(texts) == 1, "old and new contents are mixed"
    return texts.pop()


def beside(target):
    return sorted(p.name for p in target.parent.iterdir() if p.name != target.name)


def test_replaces_what_is_there_and_what_is_not(tmp_path):
    target = tmp_path / "deeper" / "bundle"
    for text in ("one", "two"):
        with staging(target) as new:
            fill(new, text)
            replace_directory(new, target)
        assert contents(target) == text
        assert beside(target) == []


def test_refuses_a_symbolic_link(tmp_path):
    real = fill(tmp_path / "real", "one")
    link = tmp_path / "link"
    link.symlink_to(real, target_is_directory=True)
    with pytest.raises(ValueError, match="is a symbolic link"):
        replace_directory(fill(tmp_path / "new", "two"), link)
    assert contents(real) == "one"


@pytest.mark.parametrize("had_target", [False, True])
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("step", range(5))
def test_recovers_wherever_it_was_killed(tmp_path, monkeypatch, had_target, after, step):
    """Every rename and deletion in turn is the last thing that did not, or did, happen."""
    target = tmp_path / "bundle"
    if had_target:
        fill(target, "old")
    new = fill(tmp_path / "new", "new")
    calls = []

    def deadly(function):
        def wrapper(*args, **kwargs):
            calls.append(args)
            if len(calls) <= step:
                return function(*args, **kwargs)
            if after and len(calls) == step + 1:
                function(*args, **kwargs)
            raise Killed

        return wrapper

    with monkeypatch.context() as patched:
        patched.setattr(os, "rename", deadly(os.rename))
        patched.setattr(shutil, "rmtree", deadly(shutil.rmtree))
        try:
            replace_directory(new, target)
        except Killed:
            died = True
        else:
            died = False
    assert died or step >= 3
    recover(target)
    if had_target:
        assert contents(target) in ("old", "new")
    elif target.exists():
        assert contents(target) == "new"
    else:
        assert (step, after) == (0, False)
    if step > 1 or (step, after) == (1, True):
        assert contents(target) == "new"
    # The next writer neither stumbles over the leftovers nor leaves any.
    replace_directory(fill(tmp_path / "newer", "newer"), target)
    shutil.rmtree(tmp_path / "new", ignore_errors=True)
    assert contents(target) == "newer"
    assert beside(target) == []


def test_recovery_is_itself_interruptible(tmp_path, monkeypatch):
    target = tmp_path / "bundle"
    fill(tmp_path / ".bundle.ready", "new")
    fill(tmp_path / ".bundle.old", "old")
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "rmtree", lambda *_, **__: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            recover(target)
    assert contents(target) == "new"
    assert recover(target) is False
    assert beside(target) == []


def test_a_reader_that_recovers_in_the_middle_does_not_disturb_the_writer(tmp_path, monkeypatch):
    target = fill(tmp_path / "bundle", "old")
    rename = os.rename

    def with_reader(source, destination):
        rename(source, destination)
        if str(destination).endswith(".old"):
            assert recover(target) is True

    monkeypatch.setattr(os, "rename", with_reader)
    replace_directory(fill(tmp_path / "new", "new"), target)
    assert contents(target) == "new"


def test_a_failed_write_leaves_nothing(tmp_path):
    target = fill(tmp_path / "bundle", "old")

    def write():
        with staging(target) as new:
            (new / "half.txt").write_text("half")
            raise RuntimeError("disk")

    with pytest.raises(RuntimeError, match="disk"):
        write()
    assert contents(target) == "old"
    assert beside(target) == []


@pytest.mark.skipif(os.name == "nt", reason="process ids cannot be probed there")
def test_the_staging_of_a_killed_writer_is_cleared_and_a_live_one_kept(tmp_path):
    target = tmp_path / "bundle"
    code = (
        f"import os\nfrom poeem.bundle.atomic import staging\n"
        f"with staging({str(target)!r}) as new: (new / 'x').write_text('x'); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 9
    assert len(beside(target)) == 1
    with staging(target) as ours, staging(target) as other:
        assert beside(target) == sorted([ours.name, other.name])
    assert beside(target) == []


def test_files_reach_the_disk_before_the_first_rename(tmp_path, monkeypatch):
    events = []
    fsync, rename = os.fsync, os.rename
    monkeypatch.setattr(atomic.os, "fsync", lambda d: (events.append("fsync"), fsync(d))[1])
    monkeypatch.setattr(atomic.os, "rename", lambda a, b: (events.append("rename"), rename(a, b))[1])
    replace_directory(fill(tmp_path / "new", "new"), tmp_path / "bundle")
    # two files and two folders, then the rename
    assert events[:5] == ["fsync"] * 4 + ["rename"]
