import hashlib
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from poeem.data import cache
from poeem.data.cache import cache_dir, fetch_wheel

FILENAME = "poeem_toy-1.0-py3-none-any.whl"


@pytest.fixture
def wheel(tmp_path, monkeypatch) -> dict:
    """A tiny wheel in a folder that pip is told to look in, and an empty cache."""
    folder = tmp_path / "links"
    folder.mkdir()
    with zipfile.ZipFile(folder / FILENAME, "w") as archive:
        archive.writestr("poeem_toy/data.txt", "1 2 3")
        archive.writestr("poeem_toy-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: poeem-toy\nVersion: 1.0\n")
        archive.writestr(
            "poeem_toy-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("poeem_toy-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("POEEM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null" if sys.platform != "win32" else "nul")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    content = (folder / FILENAME).read_bytes()
    return {
        "name": "poeem-toy",
        "version": "1.0",
        "filename": FILENAME,
        "sha256": hashlib.sha256(content).hexdigest(),
        "size": len(content),
    }


def test_fetched_once_then_offline(wheel, tmp_path, monkeypatch):
    path = fetch_wheel(**wheel)
    assert path == tmp_path / "cache" / FILENAME
    assert sorted(p.name for p in path.parent.iterdir()) == [FILENAME]

    def refuse(*_args, **_kwargs):
        raise AssertionError("a warm cache must not ask pip")

    monkeypatch.setattr(subprocess, "run", refuse)
    assert fetch_wheel(**wheel) == path


def test_a_damaged_file_in_the_cache_is_fetched_again(wheel, tmp_path):
    damaged = tmp_path / "cache" / FILENAME
    damaged.parent.mkdir()
    damaged.write_bytes(b"half a wh")
    assert hashlib.sha256(fetch_wheel(**wheel).read_bytes()).hexdigest() == wheel["sha256"]


def test_wrong_checksum_is_refused_and_not_kept(wheel, tmp_path):
    with pytest.raises(RuntimeError, match=r"has SHA-256 [0-9a-f]{64}, .* instead of 00ff.* it was not kept"):
        fetch_wheel(**wheel | {"sha256": "00ff"})
    assert list((tmp_path / "cache").iterdir()) == []


def test_failing_download_says_what_was_tried_and_how_to_work_offline(wheel, tmp_path):
    with pytest.raises(RuntimeError) as caught:
        fetch_wheel(**wheel | {"version": "9.9", "filename": "poeem_toy-9.9-py3-none-any.whl"})
    text = str(caught.value)
    assert "poeem-toy==9.9 could not be fetched with pip; tried:" in text
    assert f"put it into {tmp_path / 'cache'}" in text
    assert "No matching distribution" in text
    assert list((tmp_path / "cache").iterdir()) == []


def test_several_at_once_all_get_the_whole_file(wheel, monkeypatch):
    def copy(requirement: str, folder: Path, target: Path) -> None:  # as pip does, without its second of start-up
        source = Path(cache.os.environ["PIP_FIND_LINKS"]) / FILENAME
        (folder / FILENAME).write_bytes(source.read_bytes())

    monkeypatch.setattr(cache, "_pip_download", copy)
    with ThreadPoolExecutor(8) as pool:
        paths = set(pool.map(lambda _: fetch_wheel(**wheel), range(16)))
    (path,) = paths
    assert hashlib.sha256(path.read_bytes()).hexdigest() == wheel["sha256"]
    assert [p.name for p in path.parent.iterdir()] == [FILENAME]


def test_unusable_cache_folder_is_named(wheel, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("POEEM_CACHE", str(tmp_path / "file" / "below"))
    with pytest.raises(RuntimeError, match="set POEEM_CACHE to one that can be written"):
        fetch_wheel(**wheel)


def test_cache_dir_without_the_variable(monkeypatch, tmp_path):
    monkeypatch.delenv("POEEM_CACHE", raising=False)
    if sys.platform == "linux":
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        assert cache_dir() == tmp_path / "poeem"
    elif sys.platform == "darwin":
        assert cache_dir() == Path.home() / "Library" / "Caches" / "poeem"
    else:
        assert cache_dir().name == "poeem"
