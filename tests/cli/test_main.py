from __future__ import annotations

import subprocess
import sys

import pytest

import poeem
from poeem.cli import main as cli
from poeem.cli.errors import Failure
from poeem.cli.main import main


def test_version_and_help(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"poeem {poeem.__version__}\n"
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    for command in ("train", "evaluate", "export", "search", "encode"):
        assert command in out


def test_no_command_prints_the_help(capsys):
    assert main([]) == 2
    message = capsys.readouterr()
    assert "train" in message.out + message.err


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (ValueError("dim (=3)\n  is odd"), 2, "poeem: error: --dim (=3) is odd"),
        (
            ValueError("spec (='x') is odd; give codes='fixed' too"),
            2,
            "poeem: error: --index (='x') is odd; give codes='fixed' too",
        ),
        (FileNotFoundError("no run at 'x'"), 2, "poeem: error: no run at 'x'"),
        (Failure("the engine disagrees"), 1, "poeem: error: the engine disagrees"),
        (KeyboardInterrupt(), 130, "poeem: interrupted"),
        (KeyError("oops"), 1, "poeem: internal fault: KeyError: 'oops'"),
    ],
)
def test_errors_become_exit_codes_and_a_line(error, code, line, monkeypatch, capsys):
    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr(cli.COMMANDS, "main", fail)
    assert main(["train"]) == code
    message = capsys.readouterr().err.strip().splitlines()
    assert message[-1] == line
    # A traceback for our own faults only.
    assert (len(message) > 1) == isinstance(error, KeyError)


def test_help_needs_none_of_the_heavy_libraries():
    code = "import sys, poeem.cli.main as m; m.main(['train', '--help']); print([n for n in H if n in sys.modules])"
    heavy = ["faiss", "pyarrow", "accelerate", "networkx", "safetensors", "tensorboard", "pandas"]
    done = subprocess.run(
        [sys.executable, "-c", f"H = {heavy}; {code}"], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip().splitlines()[-1] == "[]"
