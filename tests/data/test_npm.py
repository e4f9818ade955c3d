import hashlib
import subprocess
from types import SimpleNamespace

import pytest

from poeem.data import npm
from poeem.data.npm import fetch_npm

CONTENT = b"an archive"


@pytest.fixture
def calls(tmp_path, monkeypatch) -> list:
    """The commands run, by an npm that packs one package and fails at others; and an empty cache."""
    commands = []

    def run(command, *, cwd, **_):
        commands.append(command)
        if "toy@1.0" not in command:
            return SimpleNamespace(
                returncode=1, stdout="", stderr="npm error code ETARGET\nnpm error No matching version"
            )
        (cwd / "toy-1.0.tgz").write_bytes(CONTENT)
        return SimpleNamespace(returncode=0, stdout="toy-1.0.tgz", stderr="")

    monkeypatch.setenv("POEEM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(npm.shutil, "which", lambda name: f"/bin/{name}")
    monkeypatch.setattr(subprocess, "run", run)
    return commands


SHA256 = hashlib.sha256(CONTENT).hexdigest()


def fetch(version="1.0", sha256=SHA256):
    return fetch_npm("toy", version, sha256=sha256, size=len(CONTENT))


def test_fetched_once_then_offline(calls, tmp_path):
    assert fetch() == fetch() == tmp_path / "cache" / "toy-1.0.tgz"
    assert fetch().read_bytes() == CONTENT
    assert len(calls) == 1
    assert calls[0][:4] == ["/bin/npm", "pack", "--silent", "toy@1.0"]


def test_wrong_checksum_is_refused_and_not_kept(calls, tmp_path):
    with pytest.raises(RuntimeError, match=r"instead of 00ff.* not kept. Check the package index that npm uses"):
        fetch(sha256="00ff")
    assert list((tmp_path / "cache").iterdir()) == []


def test_failing_says_what_was_tried_and_how_to_work_offline(calls, tmp_path):
    with pytest.raises(RuntimeError, match=r"(?s)toy@9 could not .* npm pack --silent toy@9 .*ETARGET.*put it into"):
        fetch("9")
    assert list((tmp_path / "cache").iterdir()) == []


def test_without_npm(calls, monkeypatch):
    monkeypatch.setattr(npm.shutil, "which", lambda _name: None)
    with pytest.raises(RuntimeError, match=r"(?s)npm is not installed.*npm pack toy@1.0"):
        fetch()
    assert calls == []
