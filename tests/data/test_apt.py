import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from poeem.data.apt import HELPER, fetch_apt_list

LIST = "mirror_debian_dists_bookworm_main_i18n_Translation-en"


@pytest.fixture
def apt(tmp_path, monkeypatch) -> dict:
    """An apt whose sources have the given lists; and an empty cache."""
    state = {"lists": [f"{LIST}.lz4", LIST.replace("bookworm", "bookworm-updates")], "updates": 0, "returncode": 0}

    def run(command, **_):
        if command[0] == HELPER:
            return SimpleNamespace(returncode=0, stdout=Path(command[2]).read_bytes().upper())
        options = dict(word.split("=", 1) for word in command if "::" in word)
        assert options["Acquire::Languages"] == "en"
        for name in state["lists"]:
            Path(options["Dir::State::lists"], name).write_bytes(b"packed")
        state["updates"] += 1
        return SimpleNamespace(returncode=state["returncode"], stdout=b"", stderr=b"E: no network")

    monkeypatch.setenv("POEEM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(subprocess, "run", run)
    return state


def fetch():
    return fetch_apt_list("bookworm", "main", "Translation-en")


def test_fetched_once_unpacked_then_offline(apt, tmp_path):
    assert fetch() == fetch() == tmp_path / "cache" / "debian-bookworm-main-Translation-en"
    assert fetch().read_bytes() == b"PACKED"
    assert apt["updates"] == 1
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_another_release_is_named(apt, tmp_path):
    apt["lists"] = [LIST.replace("bookworm", "trixie")]
    with pytest.raises(RuntimeError, match=r"no list .*bookworm_main.* \(found: .*trixie.*\); fetch it on a machine"):
        fetch()
    assert list((tmp_path / "cache").iterdir()) == []


def test_failing_says_what_was_tried(apt):
    apt["returncode"] = 100
    with pytest.raises(RuntimeError, match=r"(?s)tried: apt-get update .*E: no network.*put it, unpacked, at"):
        fetch()


def test_without_apt(apt, monkeypatch):
    def missing(*_args, **_kwargs):
        raise FileNotFoundError("no file apt-get")

    monkeypatch.setattr(subprocess, "run", missing)
    with pytest.raises(RuntimeError, match=r"(?s)could not be fetched with apt.*no file apt-get.*Without apt"):
        fetch()
