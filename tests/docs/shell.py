"""Shell blocks of the docs: each command is run, or checked as far as that goes without a network."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Callable, Iterator

from benchmarks.__main__ import parts_of
from poeem.cli.main import COMMANDS, main
from tests.docs import servers
from tests.docs.pages import ROOT


def commands(text: str) -> Iterator[list[str]]:
    """The commands of a block as lists of arguments; comments are left out.

    >>> list(commands("make a  # b\\npoeem x \\\\\\n  --y 1\\n"))
    [['make', 'a'], ['poeem', 'x', '--y', '1']]
    """
    for line in text.replace("\\\n", " ").splitlines():
        if words := shlex.split(line, comments=True):
            yield words


def run(text: str, *, options_only: bool = False) -> None:
    """Run a block.

    Raises:
        AssertionError: a command fails, or no check is known for it.
    """
    for program, *words in commands(text):
        name = program.rpartition("/")[2]
        if name == "poeem" and words[0] == "serve" and not options_only:
            servers.start(words[1:])
        elif name == "curl" and not options_only:
            servers.curl(words)
        elif name == "poeem" and not options_only:
            assert main(words) == 0, [program, *words]
        else:
            assert name in CHECKS, f"no check for {[program, *words]}"
            CHECKS[name](words)


def parse_poeem(words: list[str]) -> None:
    """The command exists, has these options, takes these values, and misses none."""
    assert words[0] in COMMANDS.commands, words
    COMMANDS.commands[words[0]].make_context(words[0], words[1:])
    if words[0] in ("train", "fit"):  # settings by name are checked by the command itself
        assert main([*words, "--print-config"]) == 0, words


def check_make(words: list[str]) -> None:
    """The targets exist."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in (word for word in words if "=" not in word):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def check_pip(words: list[str]) -> None:
    """It installs, and the extras exist."""
    assert words[0] == "install"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for extras in re.findall(r"\[([\w,]+)\]", " ".join(words)):
        assert set(extras.split(",")) <= project["optional-dependencies"].keys(), extras
    for wheel in re.findall(r"dist/(\S+?\.whl)", " ".join(words)):
        assert wheel == f"poeem_torch-{project['version']}-py3-none-any.whl"


def check_python(words: list[str]) -> None:
    """``-m benchmarks`` with known subjects, ``-m pytest`` with files that exist."""
    assert words[0] == "-m"
    for word in words[2:]:
        if words[1] == "benchmarks" and not word.startswith("-"):
            assert word in ("tables", "figures") or parts_of(word), word
        if words[1] == "pytest" and word.startswith("tests"):
            assert (ROOT / word.partition("::")[0]).exists(), word
    assert words[1] in ("benchmarks", "pytest")


def check_accelerate(words: list[str]) -> None:
    """``accelerate launch -m poeem ...``."""
    assert words[:3] == ["launch", "-m", "poeem"]
    parse_poeem(words[3:])


def check_torchrun(words: list[str]) -> None:
    """``torchrun --nproc-per-node=N -m poeem ...``."""
    assert re.fullmatch("--nproc-per-node=[0-9]+", words[0])
    assert words[1:3] == ["-m", "poeem"]
    parse_poeem(words[3:])


def check_nothing(words: list[str]) -> None:
    """Commands of the shell and of other tools."""


CHECKS: dict[str, Callable[[list[str]], None]] = {
    "poeem": parse_poeem,
    "make": check_make,
    "pip": check_pip,
    "python": check_python,
    "accelerate": check_accelerate,
    "torchrun": check_torchrun,
    "export": check_nothing,
    "curl": check_nothing,
}
