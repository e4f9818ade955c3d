"""One writer and several readers of a bundle, and interrupted changes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from poeem.bundle import BundleEditor, open_bundle
from poeem.bundle.catalogue import Catalogue
from poeem.bundle.lock import BundleLocked


def test_there_is_one_writer(tmp_path, small_bundle, draw):
    bundle = small_bundle(tmp_path / "run" / "bundle")
    with BundleEditor(tmp_path / "run") as editor:
        for other in (
            lambda: BundleEditor(tmp_path / "run" / "bundle"),
            lambda: small_bundle(tmp_path / "run" / "bundle"),
        ):
            with pytest.raises(BundleLocked, match=rf"open for changes already \(process {os.getpid()}\)"):
                other()
        code = f"from poeem.bundle import BundleEditor; BundleEditor({str(bundle.path)!r})"
        found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert "BundleLocked" in found.stderr
        editor.add([1], draw(1))
        editor.close()
        with pytest.raises(ValueError, match="is closed"):
            editor.add([2], draw(1))
    with BundleEditor(bundle.path) as editor:
        assert 1 in editor


def test_who_has_it_open_goes_on_with_that(tmp_path, small_bundle, model_of, draw):
    small_bundle(tmp_path / "b")
    views = []
    with BundleEditor(tmp_path / "b") as editor:
        for step in range(6):
            opened = open_bundle(tmp_path / "b")
            views.append((opened, editor.bundle, model_of.read(opened)))
            if step % 3 == 2:
                editor.compact()
            else:
                editor.replace([100 + step], draw(1))
        editor.delete([101])
        editor.compact()
    for opened, snapshot, rows in views:
        assert model_of.read(opened) == model_of.read(snapshot) == rows


def test_readers_meet_whole_states_while_a_writer_works(tmp_path, small_bundle):
    """Item 100 says how often it was changed: no reader may see less than the one before it, or a mixture."""
    small_bundle(tmp_path / "b", spec="PQ2x4")
    codes = np.stack(np.meshgrid(range(16), range(16)), -1).reshape(-1, 2)  # the n-th change has the n-th code
    stop, failures, seen = threading.Event(), [], []

    def read():
        last = -1
        while not stop.is_set():
            try:
                bundle = open_bundle(tmp_path / "b")
                rows = bundle.codes[bundle.row_of([100, 101])]
                numbers = [int(np.flatnonzero((codes == row).all(1))[0]) for row in rows]
                assert numbers[0] == numbers[1] >= last, (numbers, last)
                last = numbers[0]
                seen.append(last)
            except BaseException as error:
                failures.append(error)
                return

    with BundleEditor(tmp_path / "b") as editor:
        words = editor.bundle.arrays["codebooks"]

        def change(n):
            vector = np.concatenate([words[0, codes[n, 0]], words[1, codes[n, 1]]])
            editor.replace([100, 101], np.stack([vector, vector]))

        change(0)
        readers = [threading.Thread(target=read) for _ in range(2)]
        for reader in readers:
            reader.start()
        for n in range(1, 120):
            change(n)
            if n % 4 == 0:
                editor.compact()
        stop.set()
        for reader in readers:
            reader.join()
    assert not failures, failures
    assert len(seen) > 5


@pytest.mark.parametrize("where", ["sync", "apply"])
def test_ctrl_c_in_a_change_leaves_an_editor_that_knows_what_happened(
    tmp_path, small_bundle, model_of, draw, monkeypatch, where
):
    small_bundle(tmp_path / "b")

    def interrupt(*_):
        raise KeyboardInterrupt

    with BundleEditor(tmp_path / "b") as editor:
        editor.add([1], draw(1))
        with monkeypatch.context() as patched:
            patched.setattr(*((os, "fsync") if where == "sync" else (Catalogue, "apply")), interrupt)
            with pytest.raises(KeyboardInterrupt):
                editor.add([2], draw(1))
        # Not acknowledged, but written whole: it counts, here as there.
        assert 2 in editor
        assert model_of.read(editor.bundle) == model_of.read(open_bundle(tmp_path / "b"))
        with pytest.raises(ValueError, match="2 is there already"):
            editor.add([2], draw(1))
        editor.delete([2])
        assert len(open_bundle(tmp_path / "b")) == 21


@pytest.mark.parametrize("step", range(3))
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_an_editor_goes_on_after_a_compaction_that_was_interrupted(
    tmp_path, small_bundle, model_of, draw, monkeypatch, step, error
):
    small_bundle(tmp_path / "b")
    with BundleEditor(tmp_path / "b") as editor:
        editor.add([1], draw(1))
        calls, rename = [], os.rename

        def interrupted(*arguments):
            calls.append(arguments)
            if len(calls) == step + 1:
                raise error
            rename(*arguments)

        with monkeypatch.context() as patched:
            patched.setattr(os, "rename", interrupted)
            with pytest.raises(error):
                editor.compact()
        editor.add([2], draw(1))
        assert {1, 2} <= set(open_bundle(tmp_path / "b").ids.tolist())
        editor.compact()
        assert {1, 2} <= set(open_bundle(tmp_path / "b").ids.tolist())
    assert [p.name for p in tmp_path.iterdir()] == ["b"]


def test_a_reader_leaves_a_swap_to_the_writer_that_is_at_it(tmp_path, small_bundle, draw):
    path = small_bundle(tmp_path / "b").path
    with BundleEditor(path) as editor:
        shutil.copytree(path, tmp_path / ".b.ready")
        os.rename(path, tmp_path / ".b.old")
        failures = []

        def finish():
            time.sleep(0.1)
            try:
                os.rename(tmp_path / ".b.ready", path)
            except OSError as error:
                failures.append(error)

        writer = threading.Thread(target=finish)
        writer.start()
        assert len(open_bundle(path)) == 20
        writer.join()
        assert not failures, "the reader has moved what is the writer's to move"
        assert (tmp_path / ".b.old").is_dir()
        editor.add([1], draw(1))
    assert len(open_bundle(path)) == 21
    assert not (tmp_path / ".b.old").exists()  # its writer is gone
