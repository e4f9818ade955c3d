"""The script that rebuilds tables and pictures, with a python in its way that only notes what it is asked for."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "run_all.sh"
PYTHON = """#!/usr/bin/env bash
echo "$@" >> calls
while [ $# -gt 0 ]; do
  [ "$1" = --json ] && echo new > "$2"
  [ "$1" = --out ] && mkdir -p "$2" && echo new > "$2/bench.json"
  shift
done
exit 0
"""


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "benchmarks" / "results").mkdir(parents=True)
    shutil.copy(SCRIPT, tmp_path / "benchmarks")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").write_text(PYTHON)
    (tmp_path / "bin" / "python").chmod(0o755)
    return tmp_path


def run(tree, *parts, **environment):
    return subprocess.run(
        ["bash", tree / "benchmarks" / "run_all.sh", *parts],
        env={**os.environ, "BIN": str(tree / "bin"), **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_results_of_other_days_go_first(tree):
    results = tree / "benchmarks" / "results"
    for name in ("opq_sizes-0.json", "opq_sizes-2.json", "movielens-history-1.json", "lists-0.json"):
        (results / name).write_text("old")
    assert run(tree, "movielens", SEEDS="0").returncode == 0
    assert (results / "opq_sizes-0.json").read_text() == "new\n"
    assert not (results / "opq_sizes-2.json").exists()  # of a seed that is not asked for now
    assert not (results / "movielens-history-1.json").exists()
    assert (results / "lists-0.json").read_text() == "old"  # of another part
    calls = (tree / "calls").read_text()
    assert "plot.py docs/figures/movielens.svg" in calls
    assert calls.rstrip().endswith("benchmarks/papers_summary.py")


def test_so_do_the_folders_that_another_machine_went_on_with(tree):
    results = tree / "benchmarks" / "results"
    for folder in ("wordnet-frozen", "wordnet-frozen.2", "glove-frozen"):
        (results / folder).mkdir()
        (results / folder / "bench.json").write_text("old")
    assert run(tree, "wordnet").returncode == 0
    assert (results / "wordnet-frozen" / "bench.json").read_text() == "new\n"
    assert not (results / "wordnet-frozen.2").exists()
    assert (results / "glove-frozen").is_dir()


def test_a_run_that_goes_on_keeps_them(tree):
    old = tree / "benchmarks" / "results" / "lists-1.json"
    old.write_text("old")
    assert run(tree, "others", RESUME="1", SEEDS="0").returncode == 0
    assert old.read_text() == "old"


def test_an_unknown_part_is_refused(tree):
    done = run(tree, "moviesens")
    assert done.returncode == 2
    assert "PART (=moviesens) must be all, tables or some of" in done.stderr
    assert not (tree / "calls").exists()
