"""``poeem serve`` that cannot start: one line, exit code 2. And what its import costs."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from poeem.cli.main import main
from tests.serve.shop import write_shop


def refused(capsys, *words: object) -> str:
    assert main(["serve", *map(str, words)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = said.err.splitlines()
    return line


def test_a_port_in_use(tmp_path, capsys):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        line = refused(capsys, write_shop(tmp_path / "shop"), "--port", port)
    assert f"--port (={port}) cannot be opened at '127.0.0.1' (Address already in use)" in line


def test_a_host_that_is_not_ours(tmp_path, capsys):
    assert "'192.0.2.1'" in refused(capsys, write_shop(tmp_path / "shop"), "--host", "192.0.2.1", "--port", 0)
    assert "'no.such.host.invalid'" in refused(capsys, tmp_path, "--host", "no.such.host.invalid", "--port", 0)


def test_a_folder_without_a_bundle(tmp_path, capsys):
    assert "no bundle" in refused(capsys, tmp_path, "--port", 0)
    assert str(tmp_path / "nothing") in refused(capsys, tmp_path / "nothing", "--port", 0)


def test_an_engine_that_does_not_suit(tmp_path, capsys):
    folder = write_shop(tmp_path / "shop", spec="PQ2x8")
    assert "fastscan" in refused(capsys, folder, "--port", 0, "--engine", "fastscan")
    assert "'other'" in refused(capsys, folder, "--port", 0, "--engine", "other")


@pytest.mark.parametrize("package", ["uvicorn", "prometheus_client", "fastapi"])
def test_a_missing_extra(tmp_path, capsys, monkeypatch, package):
    for name in [name for name in sys.modules if name.startswith("poeem.serve.")]:
        if name != "poeem.serve.options":
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    line = refused(capsys, tmp_path, "--port", 0)
    assert f"'{package}'" in line
    assert "pip install 'poeem-torch[serve]'" in line


def test_other_commands_do_not_import_the_server():
    script = "import sys\nimport poeem.cli.main\nprint(*{name.split('.')[0] for name in sys.modules})"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not {"fastapi", "uvicorn", "prometheus_client", "pydantic", "httpx", "torch"} & set(found.stdout.split())


def test_a_server_without_a_model_starts_without_torch():
    script = "import sys\nimport poeem.serve.app, poeem.serve.server\nprint(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "torch" not in found.stdout.split()
