"""The script that measures whole commands."""

from __future__ import annotations

import sys

from benchmarks.speed.commands import demo_commands, measured


def test_the_demo_is_that_of_the_makefile():
    script = demo_commands()
    assert "$(" not in script
    assert "$$" not in script
    assert [line.split(" -m poeem ")[1].split()[0] for line in script.splitlines() if " -m poeem " in line] == [
        "train",
        "export",
        "search",
    ]


def test_the_memory_is_that_of_the_command_alone(tmp_path):
    held = bytearray(300 * 2**20)  # of this process, which must not count
    held[:: 2**12] = b"x" * len(held[:: 2**12])
    seconds, cpu, memory = measured([sys.executable, "-c", "x = b'1' * 50 * 2**20"], tmp_path)
    assert 50 < memory < 200
    assert 0 < cpu <= seconds + 1
