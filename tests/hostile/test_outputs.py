"""Outputs laid over inputs, and places that cannot be written: one line, exit code 2, nothing has changed."""

import hashlib
import os

import numpy as np
import pytest

from poeem.bundle.lock import WriterLock
from poeem.bundle.whole_file import write_text
from poeem.cli.main import main


def state(folder):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize(
    "words",
    [
        "export run --out run/bundle/manifest.json",
        "export run --out run/metrics.json",
        "export run --out run/manifest.json",
        "diff run run --out run/bundle/items.parquet",
        "search run --queries q.npy --out q.npy",
        "search run --queries q.npy --out hard.npy",
        "export run --vectors q.npy --refine flat --out q.npy",
        "fit --items q.npy --out q.npy/x",
        "fit --items q.npy --out run/bundle",
        "search run --queries q.npy --out link",
        "search run --queries q.npy --out fifo",
        "search run --queries q.npy --out /dev/full",
        "search run --queries q.npy --out missing/r.npz",
        "fit --items q.npy --index= --out new",
    ],
)
def test_an_output_over_an_input_is_refused(tmp_path, small_bundle, monkeypatch, capsys, words):
    monkeypatch.chdir(tmp_path)
    small_bundle(tmp_path / "run" / "bundle")
    (tmp_path / "run" / "metrics.json").write_text("{}")
    np.save("q.npy", np.ones((20, 8), "float32"))
    os.link("q.npy", "hard.npy")
    os.symlink("q.npy", "link")
    before = state(tmp_path)
    os.mkfifo("fifo")
    assert main(words.split()) == 2
    error = capsys.readouterr().err
    assert error.startswith("poeem: error: ")
    assert error.count("\n") == 1
    assert "----" not in error
    (tmp_path / "fifo").unlink()
    assert state(tmp_path) == before


def test_a_second_training_into_a_folder_is_refused_at_once(tmp_path, capsys):
    np.save(tmp_path / "q.npy", np.ones((20, 8), "float32"))
    with WriterLock(tmp_path / "run", what="folder"):
        assert main(["fit", "--items", str(tmp_path / "q.npy"), "--out", str(tmp_path / "run")]) == 2
    assert f"(process {os.getpid()})" in capsys.readouterr().err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["q.npy"]


def test_leftovers_of_a_killed_writer_go(tmp_path):
    (tmp_path / ".a.faiss.new-999999999").write_text("half")
    write_text(tmp_path / "a.faiss", "x")
    assert [p.name for p in tmp_path.iterdir()] == ["a.faiss"]


def test_a_full_disk_gives_the_lock_back(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "truncate", full)
        WriterLock(tmp_path / "b").release()
    WriterLock(tmp_path / "b", patience=0).release()
