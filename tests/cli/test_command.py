from __future__ import annotations

import re
import subprocess
import sys

import pytest

from poeem.cli.main import COMMANDS, main


def options_on(screen: str) -> set[str]:
    return set(re.findall(r"^│ +(--[a-z-]+)", screen, flags=re.MULTILINE))


@pytest.mark.parametrize("command", ["train", "fit"])
def test_the_first_screen_has_eighteen_options_at_most(command, capsys):
    assert main([command, "--help"]) == 0
    first = options_on(capsys.readouterr().out)
    # In processes of their own: --help-all shows what was hidden.
    done = subprocess.run(
        [sys.executable, "-m", "poeem", command, "--help-all"], capture_output=True, text=True, check=True
    )
    every = options_on(done.stdout)
    assert len(first) <= 18
    assert first < every
    assert {"--index", "--epochs", "--method", "--set", "--config", "--print-config"} <= first


def test_every_option_has_a_help_text_and_its_choices():
    for command in COMMANDS.commands.values():
        for parameter in command.params:
            assert parameter.help or parameter.name == "help", (command.name, parameter.name)


def test_defaults_stand_without_parentheses(capsys):
    main(["train", "--help"])
    shown = capsys.readouterr().out
    assert "Default: RQ8." in " ".join(shown.replace("│", " ").split())
    assert "[default:" not in shown
