"""A run folder from a stranger: links in it are not written through, FIFOs are not waited for."""

import json
import os

import pytest
from torch import nn

from poeem.bundle import BundleEditor, open_bundle
from poeem.bundle.atomic import staging
from poeem.bundle.whole_file import write_text
from poeem.engines.faiss.coded_parts import FACTS_FILE, open_parts
from poeem.training.run_folder import RunFolder


@pytest.fixture
def victim(tmp_path):
    file = tmp_path / "precious.txt"
    file.write_text("all that I have")
    yield file
    assert file.read_text() == "all that I have"


@pytest.mark.parametrize("kind", ["symlink_to", "hardlink_to"])
@pytest.mark.parametrize("name", [".bundle.lock", "bundle/changes.log", "bundle/changes.head"])
def test_no_file_of_a_run_is_written_through_a_link(tmp_path, small_bundle, draw, victim, kind, name):
    small_bundle(tmp_path / "run" / "bundle")
    getattr(tmp_path / "run" / name, kind)(victim)
    (tmp_path / "run" / ".bundle.old").mkdir()  # a reader clears up after this
    try:
        open_bundle(tmp_path / "run")
    except ValueError as error:
        assert "changes" in str(error)
    with (
        pytest.raises(ValueError, match=r"link|not a regular file|has no whole changes.head|damaged"),
        BundleEditor(tmp_path / "run") as editor,
    ):
        editor.add([1], draw(1))


def test_a_folder_that_can_only_be_read_is_read(tmp_path, small_bundle):
    small_bundle(tmp_path / "run" / "bundle")
    (tmp_path / "run" / ".bundle.old").mkdir()
    os.mkfifo(tmp_path / "run" / ".bundle.lock")
    assert len(open_bundle(tmp_path / "run")) == 20


@pytest.mark.parametrize("name", ["manifest.json", "changes.log", "changes.head"])
def test_a_fifo_is_refused_at_once(tmp_path, small_bundle, name):
    path = small_bundle(tmp_path / "b").path
    (path / name).unlink(missing_ok=True)
    os.mkfifo(path / name)
    with pytest.raises((ValueError, FileNotFoundError), match=r"is not a regular file|no bundle at"):
        open_bundle(path)


@pytest.mark.parametrize("name", ["bundle", "model", "checkpoints"])
def test_a_folder_of_a_run_is_not_followed_through_a_link(tmp_path, name):
    (tmp_path / "run").mkdir()
    (tmp_path / "photos").mkdir()
    (tmp_path / "run" / name).symlink_to(tmp_path / "photos", target_is_directory=True)
    with pytest.raises(ValueError, match="is a symbolic link"):
        RunFolder(tmp_path / "run")


def test_a_model_folder_that_no_training_wrote_is_not_replaced(tmp_path):
    (tmp_path / "run" / "model").mkdir(parents=True)
    (tmp_path / "run" / "model" / "photo.jpg").write_text("x")
    with pytest.raises(ValueError, match="was not written by a training"):
        RunFolder(tmp_path / "run").store_model(None, None, {})  # pyright: ignore[reportArgumentType]
    assert (tmp_path / "run" / "model" / "photo.jpg").exists()


NAMES_BESIDE = (".{name}.new", f".{{name}}.new-{os.getpid()}", ".{name}.new-1")


@pytest.mark.parametrize("name", ["float.safetensors", "float.json"])
def test_a_float_twin_is_not_written_through_a_link(tmp_path, victim, name):
    for folder in ("run", "other"):
        (tmp_path / folder / "model").mkdir(parents=True)
    for beside in NAMES_BESIDE:
        (tmp_path / "run" / "model" / beside.format(name=name)).symlink_to(victim)
    RunFolder(tmp_path / "run").store_float(nn.Linear(2, 1), 1.0)
    RunFolder(tmp_path / "other").store_float(nn.Linear(2, 1), 2.0)
    RunFolder(tmp_path / "run").copy_float(RunFolder(tmp_path / "other"))
    assert RunFolder(tmp_path / "run").load_float(nn.Linear(2, 1)) == 2.0


@pytest.mark.parametrize("name", ["float.safetensors", "float.json"])
def test_a_float_twin_that_is_a_link_is_not_replaced(tmp_path, victim, name):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / name).symlink_to(victim)
    with pytest.raises(ValueError, match="is a link"):
        RunFolder(tmp_path).store_float(nn.Linear(2, 1), 1.0)


def test_a_picture_is_not_written_through_a_link(tmp_path, victim):
    pytest.importorskip("matplotlib")
    from matplotlib.figure import Figure

    from poeem.bench.style import save

    (tmp_path / f".a.png.new-{os.getpid()}").symlink_to(victim)
    assert save(Figure(), tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    (tmp_path / "b.svg").symlink_to(victim)
    with pytest.raises(ValueError, match="is a link"):
        save(Figure(), tmp_path / "b.svg")


@pytest.mark.parametrize("pid", ["9" * 30, "\u00b2", "\u0663", "x"])
def test_names_that_no_writer_left_do_not_disturb(tmp_path, pid):
    """A leftover's name ends with the number of its process; in a stranger's folder it may be any text."""
    host = os.uname().nodename.replace("-", "_") if hasattr(os, "uname") else ""
    for name in (f".a.txt.new-{pid}", f".b.new-{host}-{pid}-0"):
        (tmp_path / name).mkdir()
    write_text(tmp_path / "a.txt", "x")
    with staging(tmp_path / "b"):
        pass
    assert (tmp_path / "a.txt").read_text() == "x"


def test_a_fifo_among_the_parts_is_refused_at_once(tmp_path, small_bundle):
    bundle = small_bundle(tmp_path / "b")
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / FACTS_FILE).write_text(json.dumps({"fingerprint": bundle.fingerprint}))
    os.mkfifo(tmp_path / "parts" / "part-00000.parquet")
    (load,) = open_parts(bundle, tmp_path / "parts")
    with pytest.raises(ValueError, match="is not a regular file"):
        load()
