from __future__ import annotations

import pytest

from poeem.bundle.whole_file import whole_file, write_text


def interrupted(path):
    with whole_file(path) as beside:
        beside.write_text("half")
        assert path.read_text(encoding="utf-8") == "é"
        raise KeyboardInterrupt


def test_a_file_is_there_whole_or_as_it_was(tmp_path):
    write_text(tmp_path / "a.txt", "é")
    assert (tmp_path / "a.txt").read_bytes() == "é".encode()
    with pytest.raises(KeyboardInterrupt):
        interrupted(tmp_path / "a.txt")
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "é"
    assert [one.name for one in tmp_path.iterdir()] == ["a.txt"]


def test_a_place_that_cannot_be_written_to_is_refused_before_anything_is_done(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no folder .*none' to write 'a.txt' into; create it first"):
        write_text(tmp_path / "none" / "a.txt", "")
    (tmp_path / "a").mkdir()
    with pytest.raises(ValueError, match="is a folder; name a file"):
        write_text(tmp_path / "a", "")
