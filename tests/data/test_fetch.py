"""Downloads by pip (real), npm and apt (fakes)."""

import hashlib
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from poeem.data import fetch
from poeem.data.fetch import APT_HELPER, AptList, AptPackage, Package, cache_dir

FILENAME = "poeem_toy-1.0-py3-none-any.whl"
CONTENT = b"an archive"
NPM = Package("npm", "toy", "1.0", hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))
APT = AptList("bookworm", "main", "Translation-en")
LIST = "mirror_debian_dists_bookworm_main_i18n_Translation-en"


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv("POEEM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def wheel(cache, tmp_path, monkeypatch) -> Package:
    """A tiny wheel in a folder that pip searches."""
    folder = tmp_path / "links"
    folder.mkdir()
    with zipfile.ZipFile(folder / FILENAME, "w") as archive:
        archive.writestr("poeem_toy/data.txt", "1 2 3")
        archive.writestr("poeem_toy-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: poeem-toy\nVersion: 1.0\n")
        archive.writestr(
            "poeem_toy-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("poeem_toy-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null" if sys.platform != "win32" else "nul")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    content = (folder / FILENAME).read_bytes()
    return Package("pip", "poeem-toy", "1.0", hashlib.sha256(content).hexdigest(), len(content))


def refuse(*_args, **_kwargs):
    raise AssertionError("a warm cache must not run a tool")


def test_a_wheel_is_fetched_once_then_offline(wheel, cache, monkeypatch):
    path = wheel.fetch()
    assert path == cache / FILENAME
    assert [p.name for p in cache.iterdir()] == [FILENAME]
    monkeypatch.setattr(subprocess, "run", refuse)
    assert wheel.fetch() == path


def test_a_damaged_file_in_the_cache_is_fetched_again(wheel, cache):
    cache.mkdir()
    (cache / FILENAME).write_bytes(b"half a wh")
    assert hashlib.sha256(wheel.fetch().read_bytes()).hexdigest() == wheel.sha256


def test_wrong_checksum_is_refused_and_not_kept(wheel, cache):
    with pytest.raises(RuntimeError, match=r"has SHA-256 [0-9a-f]{64}, .* instead of 00ff.* it was not kept"):
        replace(wheel, sha256="00ff").fetch()
    assert list(cache.iterdir()) == []


def test_failing_download_says_what_was_tried_and_how_to_work_offline(wheel, cache):
    with pytest.raises(RuntimeError) as caught:
        replace(wheel, version="9.9").fetch()
    text = str(caught.value)
    assert "poeem-toy==9.9 could not be fetched with pip; tried:" in text
    assert f"put it into {cache}" in text
    assert "No matching distribution" in text
    assert list(cache.iterdir()) == []


def test_several_at_once_all_get_the_whole_file(wheel, cache, tmp_path, monkeypatch):
    def copy(_command, folder: Path, *_messages) -> None:  # as pip does, without its second of start-up
        (folder / FILENAME).write_bytes((tmp_path / "links" / FILENAME).read_bytes())

    monkeypatch.setattr(fetch, "_run", copy)
    with ThreadPoolExecutor(8) as pool:
        paths = set(pool.map(lambda _: wheel.fetch(), range(16)))
    assert paths == {cache / FILENAME}
    assert hashlib.sha256((cache / FILENAME).read_bytes()).hexdigest() == wheel.sha256
    assert [p.name for p in cache.iterdir()] == [FILENAME]


def test_unusable_cache_folder_is_named(wheel, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("POEEM_CACHE", str(tmp_path / "file" / "below"))
    with pytest.raises(RuntimeError, match="set POEEM_CACHE to one that can be written"):
        wheel.fetch()


@pytest.fixture
def npm(cache, monkeypatch) -> list:
    """The commands run, by an npm that packs one package and fails at others."""
    commands = []

    def run(command, *, cwd, **_):
        commands.append(command)
        if "toy@1.0" not in command:
            return SimpleNamespace(returncode=1, stdout=b"", stderr=b"npm error ETARGET\nnpm error No matching version")
        (cwd / "toy-1.0.tgz").write_bytes(CONTENT)
        return SimpleNamespace(returncode=0, stdout=b"toy-1.0.tgz", stderr=b"")

    monkeypatch.setattr(fetch.shutil, "which", lambda name: f"/bin/{name}")
    monkeypatch.setattr(subprocess, "run", run)
    return commands


def test_an_npm_package_is_fetched_once_then_offline(npm, cache):
    assert NPM.fetch() == NPM.fetch() == cache / "toy-1.0.tgz"
    assert NPM.fetch().read_bytes() == CONTENT
    assert len(npm) == 1
    assert npm[0][:4] == ["/bin/npm", "pack", "--silent", "toy@1.0"]


def test_the_index_of_the_tool_is_named_if_the_file_is_another(npm, cache):
    with pytest.raises(RuntimeError, match=r"instead of 00ff.* not kept. Check the package index that npm uses"):
        replace(NPM, sha256="00ff").fetch()
    assert list(cache.iterdir()) == []


def test_failing_npm_says_what_was_tried_and_how_to_work_offline(npm, cache):
    with pytest.raises(RuntimeError, match=r"(?s)toy@9 could not .*npm pack --silent toy@9 .*ETARGET.*put it into"):
        replace(NPM, version="9").fetch()
    assert list(cache.iterdir()) == []


def test_without_npm(cache, monkeypatch):
    monkeypatch.setattr(fetch.shutil, "which", lambda _name: None)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(RuntimeError, match=r"(?s)npm is not installed.*npm pack toy@1.0"):
        NPM.fetch()


@pytest.fixture
def apt(cache, monkeypatch) -> dict:
    """An apt whose sources have the given lists."""
    state = {"lists": [f"{LIST}.lz4", LIST.replace("bookworm", "bookworm-updates")], "updates": 0, "returncode": 0}

    def run(command, **_):
        if command[0] == APT_HELPER:
            return SimpleNamespace(returncode=0, stdout=Path(command[2]).read_bytes().upper())
        options = dict(word.split("=", 1) for word in command if "::" in word)
        assert options["Acquire::Languages"] == "en"
        for name in state["lists"]:
            Path(options["Dir::State::lists"], name).write_bytes(b"packed")
        state["updates"] += 1
        return SimpleNamespace(returncode=state["returncode"], stdout=b"", stderr=b"E: no network")

    monkeypatch.setattr(subprocess, "run", run)
    return state


def test_a_list_is_fetched_once_unpacked_then_offline(apt, cache):
    assert APT.fetch() == APT.fetch() == cache / "debian-bookworm-main-Translation-en"
    assert APT.fetch().read_bytes() == b"PACKED"
    assert apt["updates"] == 1
    assert len(list(cache.iterdir())) == 1


def test_another_release_is_named(apt, cache):
    apt["lists"] = [LIST.replace("bookworm", "trixie")]
    with pytest.raises(RuntimeError, match=r"no list .*bookworm_main.* \(found: .*trixie.*\); fetch it on a machine"):
        APT.fetch()
    assert list(cache.iterdir()) == []


def test_failing_apt_says_what_was_tried(apt):
    apt["returncode"] = 100
    with pytest.raises(RuntimeError, match=r"(?s)tried: apt-get update .*E: no network.*put it, unpacked, at"):
        APT.fetch()


def test_without_apt(cache, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(RuntimeError, match=r"(?s)could not be fetched with apt.*apt-get is not installed.*Without apt"):
        APT.fetch()


DEB = AptPackage("toy-data", "1:2.0-1", "all", hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))


@pytest.fixture
def apt_packages(cache, monkeypatch) -> list:
    """The commands run, by an apt whose archive has one package."""
    commands = []

    def run(command, *, cwd, **_):
        commands.append(command)
        if command[1] == "download":
            if command[-1] != "toy-data=1:2.0-1":
                return SimpleNamespace(returncode=100, stdout=b"", stderr=b"E: Version was not found")
            (cwd / "toy-data_1%3a2.0-1_all.deb").write_bytes(CONTENT)
        return SimpleNamespace(returncode=0, stdout=b"", stderr=b"")

    monkeypatch.setattr(subprocess, "run", run)
    return commands


def test_a_debian_package_is_fetched_once_then_offline(apt_packages, cache):
    assert DEB.fetch() == DEB.fetch() == cache / "toy-data_1%3a2.0-1_all.deb"
    assert DEB.fetch().read_bytes() == CONTENT
    assert [command[1] for command in apt_packages] == ["update", "download"]
    updated, downloaded = (
        [part for part in command if part.startswith("Dir::State::lists")] for command in apt_packages
    )
    assert updated == downloaded, "the download must find the lists of the update"
    assert len(list(cache.iterdir())) == 1


def test_a_debian_package_of_another_version_says_how_to_work_offline(apt_packages):
    with pytest.raises(RuntimeError, match=r"(?s)toy-data=9 could not .*Version was not found.*apt-get download toy"):
        replace(DEB, version="9").fetch()


def test_cache_dir_without_the_variable(monkeypatch, tmp_path):
    monkeypatch.delenv("POEEM_CACHE", raising=False)
    if sys.platform == "linux":
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        assert cache_dir() == tmp_path / "poeem"
    elif sys.platform == "darwin":
        assert cache_dir() == Path.home() / "Library" / "Caches" / "poeem"
    else:
        assert cache_dir().name == "poeem"
