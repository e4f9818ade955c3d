"""A sample of the attacks of ``python -m benchmarks durability``: damaged files, bad commands, full disks, kills."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.durability import commands
from poeem.cli.main import COMMANDS

ROOT = Path(__file__).parents[2]
# Counts that say how an attack ended well.
GOOD = {"trials", "refused", "survived", "accepted", "killed"}


@pytest.fixture(scope="module")
def counts(tmp_path_factory):
    file = tmp_path_factory.mktemp("attacks") / "attacks.json"
    # A process of its own: its children are forked, which no process with threads may do.
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.durability.attacks", "--quick", "--json", str(file)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(file.read_text())["rows"], done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills and limits of processes are those of Unix")
@pytest.mark.parametrize(
    "attack", ["log", "mutations", "commands", "full disk", "tmpfs", "places", "other user", "kills"]
)
def test_nothing_is_lost_and_nothing_breaks(counts, attack):
    rows, said = counts
    if "skipped" in rows[attack]:
        pytest.skip(rows[attack]["skipped"])
    bad = {name: count for name, count in rows[attack].items() if name not in GOOD}
    assert bad
    assert not any(bad.values()), f"{bad}\n{said}"


def test_every_command_that_ends_is_attacked():
    assert set(COMMANDS.commands) - set(commands.GOOD) == {"serve"}
