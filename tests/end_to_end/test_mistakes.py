"""Mistakes on the command line get one line, and nothing is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from poeem.cli.main import main


def complaint(capsys, *arguments: str) -> str:
    """The one line of a user's mistake."""
    assert main(list(arguments)) == 2
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = said.err.splitlines()
    assert line.startswith("poeem: error: ")
    return line


def test_a_second_run_is_refused(run, file, options, capsys):
    said = complaint(capsys, "train", "--interactions", str(file), "--out", str(run), *options)
    assert "holds a run already" in said


@pytest.mark.parametrize("content", [None, b"", b"PAR1 no parquet"], ids=["missing", "empty", "garbage"])
@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "--interactions", "F.parquet", "--index", "PQ2x4", "--out", "NEW"],
        ["train", "--interactions", "F.csv", "--index", "PQ2x4", "--out", "NEW"],
        ["train", "--interactions", "EVENTS", "--items", "F.parquet", "--index", "PQ2x4", "--out", "NEW"],
        ["encode", "RUN", "--items", "F.npy", "--out", "NEW"],
        ["encode", "RUN", "--items", "F.parquet", "--out", "NEW"],
        ["search", "RUN", "--queries", "F.npy", "--out", "NEW"],
        ["evaluate", "F.npy"],
        ["export", "F.npy", "--out", "NEW"],
        ["search", "F.npy", "--user", "u1"],
    ],
    ids=lambda arguments: "-".join(arguments[:2]) + arguments[-1],
)
def test_a_file_that_cannot_be_used_gets_one_line(arguments, content, run, file, tmp_path, capsys):
    places = {"RUN": str(run), "EVENTS": str(file), "NEW": str(tmp_path / "new")}
    arguments = [places.get(a, str(tmp_path / a) if a.startswith("F.") else a) for a in arguments]
    (wrong,) = (a for a in arguments if Path(a).name.startswith("F."))
    if content is not None:
        Path(wrong).write_bytes(content)
    complaint(capsys, *arguments)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["search", "RUN", "--user", "u"], "did you mean 'u"),
        (["search", "RUN", "--item", "I3"], "did you mean 'i3"),
        (["search", "RUN", "--history", "i3,zzz"], "'zzz'"),
        (["search", "RUN"], "give one of --user, --history, "),
        (["search", "RUN", "--user", "u1", "--item", "i1"], "given: --user, --item"),
        (["search", "RUN", "--queries", "q.npy"], "go together"),
        (["search", "RUN", "--user", "u1", "-k", "0"], "k (=0)"),
        (["search", "RUN", "--user", "u1", "--nprobe", "0"], "nprobe (=0)"),
        (["export", "RUN", "--engine", "lucene", "--out", "x"], "engine (='lucene')"),
        (["evaluate", "RUN", "--baselines", "ivf"], "baselines (=ivf)"),
        (["train", "--index", "PQ8", "--out", "x"], "give one of --interactions FILE"),
        (["train", "--index", "PQ8", "--out", "x", "--dataset", "ml-2m"], "dataset (='ml-2m') is not known"),
        (["train", "--index", "PQ8", "--out", "x", "--dim", "many"], "Invalid value for '--dim'"),
        (["train", "--index", "PQ8"], "give the folder of the run: --out DIR"),
        (["learn"], "No such command 'learn'"),
        (["search"], "Missing argument 'DIR'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes_get_one_line(arguments, said, run, capsys):
    assert said in complaint(capsys, *[str(run) if a == "RUN" else a for a in arguments])
