"""A run folder from a stranger: links in it are not written through, FIFOs are not waited for."""

import os

import pytest

from poeem.bundle import BundleEditor, open_bundle
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
