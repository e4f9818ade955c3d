"""`python -m benchmarks`, with a fake in place of the scripts that only writes the result files."""

from __future__ import annotations

import itertools
import subprocess
from pathlib import Path

import pytest

from benchmarks import __main__ as runner
from benchmarks.plan import Script
from benchmarks.subjects import SUBJECTS


@pytest.fixture
def calls(monkeypatch, tmp_path):
    """The commands that were run; tables and figures are not made."""
    made = []

    def run(command, **options):
        assert options["check"]
        assert options["env"]["OMP_NUM_THREADS"] == "1"
        made.append(command)
        for option, file in itertools.pairwise(command):
            if option in ("--json", "--out"):
                path = Path(file, "bench.json") if option == "--out" else Path(file)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text("new")

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(runner, "fill_tables", lambda results: made.append("tables"))
    monkeypatch.setattr(runner, "draw_figures", lambda results, subjects: made.append(sorted(subjects)))
    monkeypatch.setattr("benchmarks.plan.RUNS", tmp_path / "runs")
    return made


def old(folder, *names):
    for name in names:
        path = folder / name if name.endswith(".json") else folder / name / "bench.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("old")


def test_earlier_results_are_thrown_away_first(calls, tmp_path):
    old(tmp_path, "opq_sizes-0.json", "opq_sizes-2.json", "movielens-history-1.json", "lists-0.json")
    assert runner.main(["interactions/movielens", "--seeds", "0", "--results", str(tmp_path)]) == 0
    assert (tmp_path / "opq_sizes-0.json").read_text() == "new"
    assert not (tmp_path / "opq_sizes-2.json").exists()  # of a seed that is not measured now
    assert not (tmp_path / "movielens-history-1.json").exists()
    assert (tmp_path / "lists-0.json").read_text() == "old"  # of another part
    assert calls[-2:] == ["tables", ["interactions"]]


def test_folders_of_other_machines_too(calls, tmp_path):
    old(tmp_path, "wordnet-frozen", "wordnet-frozen.2", "glove-frozen")
    assert runner.main(["frozen/wordnet", "--results", str(tmp_path)]) == 0
    assert (tmp_path / "wordnet-frozen" / "bench.json").read_text() == "new"
    assert not (tmp_path / "wordnet-frozen.2").exists()
    assert (tmp_path / "glove-frozen").is_dir()
    assert calls[0][calls[0].index("--seeds") + 1] == "0,1,2"


def test_resume_keeps_results(calls, tmp_path):
    old(tmp_path, "lists-1.json")
    assert runner.main(["interactions/lists", "--resume", "--seeds", "0", "--results", str(tmp_path)]) == 0
    assert (tmp_path / "lists-1.json").read_text() == "old"
    assert len(calls) == 3


def test_a_dry_run_changes_nothing(calls, tmp_path, capsys):
    old(tmp_path, "lists-0.json")
    assert runner.main(["interactions/lists", "--dry-run", "--seeds", "7", "--results", str(tmp_path)]) == 0
    assert (tmp_path / "lists-0.json").read_text() == "old"
    assert "benchmarks.interactions.lists --seed 7 --json" in capsys.readouterr().err
    assert calls == []


def test_smoke_writes_no_results(calls, tmp_path):
    old(tmp_path, "lists-0.json")
    assert runner.main(["interactions/lists", "frozen/glove", "--smoke", "--results", str(tmp_path)]) == 0
    assert (tmp_path / "lists-0.json").read_text() == "old"
    lists, glove = calls
    assert "ml-100k" in lists
    assert "--items" in glove
    assert "--dataset" not in glove


def test_smoke_leaves_training_runs_alone(calls, tmp_path):
    run = tmp_path / "runs" / "RQ4"
    run.mkdir(parents=True)
    (run / "metrics.json").write_text("{}")
    assert runner.main(["interactions/post-hoc", "--smoke"]) == 0
    assert (run / "metrics.json").exists()
    assert len(calls) == 3
    assert not any(str(tmp_path / "runs") in word for command in calls for word in command)


def test_finished_training_runs_are_kept_by_resume(calls, tmp_path):
    run = tmp_path / "runs" / "RQ4"
    run.mkdir(parents=True)
    (run / "metrics.json").write_text("{}")
    assert runner.main(["interactions/post-hoc", "--resume", "--results", str(tmp_path)]) == 0
    trained = [command[command.index("--index") + 1] for command in calls if "train" in command]
    assert trained == ["RQ8"]


def test_an_unknown_subject_is_refused(calls, capsys):
    with pytest.raises(SystemExit) as refused:
        runner.main(["moviesens"])
    assert refused.value.code == 2
    assert "SUBJECT (=moviesens) must be all, tables, figures or one of interactions, frozen" in capsys.readouterr().err
    assert calls == []


def test_without_arguments_it_lists_the_subjects(calls, capsys):
    assert runner.main([]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed and subject.title in printed for name, subject in SUBJECTS.items())
    assert calls == []


def scripts():
    steps = [step for of in SUBJECTS.values() for part in of.parts.values() for step in part]
    return sorted({step.module for step in steps if isinstance(step, Script)} | {"frozen.taught_queries"})


@pytest.mark.parametrize("module", scripts())
def test_every_script_takes_seed_and_json(module, monkeypatch, capsys):
    for needed in ("lance", "scann") if module.startswith("engines") else ():
        pytest.importorskip(needed)
    script = pytest.importorskip(f"benchmarks.{module}")
    monkeypatch.setattr("sys.argv", [module, "--help"])
    with pytest.raises(SystemExit) as ended:
        script.main()
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    assert "--seed" in printed
    assert "--json FILE" in printed
