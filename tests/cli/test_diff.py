"""``poeem diff`` and ``poeem export --delta``."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest

from poeem.bundle import BundleEditor, open_bundle, write_bundle
from poeem.cli.main import main
from poeem.spec import IndexSpec


def bundle(path, seed=0):
    rng = np.random.default_rng(seed)
    return write_bundle(
        path,
        spec=IndexSpec.parse("PQ2x4"),
        metric="ip",
        dim=4,
        arrays={"codebooks": rng.standard_normal((2, 16, 2)).astype("float32")},
        ids=np.arange(50),
        codes=rng.integers(0, 16, (50, 2)),
    )


@pytest.fixture
def folders(tmp_path):
    bundle(tmp_path / "old" / "bundle")
    bundle(tmp_path / "other" / "bundle", seed=1)
    shutil.copytree(tmp_path / "old", tmp_path / "new")
    with BundleEditor(tmp_path / "new") as editor:
        editor.add([100, 101], np.ones((2, 4)))
        editor.delete([3])
    return tmp_path


def run(capsys, *arguments):
    code = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_diff(folders, capsys):
    arguments = ["diff", folders / "old", folders / "new"]
    code, out, err = run(capsys, *arguments, "--json", "--out", folders / "ids.parquet")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert (found["added"], found["removed"], found["kept"], found["changed"]) == (2, 1, 49, 0)
    assert found["examples"] == {"added": [100, 101], "removed": [3], "changed": []}
    assert pq.read_table(folders / "ids.parquet")["id"].to_pylist() == [100, 101, 3]
    code, out, _ = run(capsys, *arguments)
    assert code == 0
    assert "100, 101" in out
    assert "Both are from one training" in out
    code, out, _ = run(capsys, "diff", folders / "old", folders / "other")
    assert code == 0
    assert "They are from two trainings" in out
    assert run(capsys, "diff", folders / "old", folders / "none")[0] == 2
    code, _, err = run(capsys, *arguments, "--out", folders / "none" / "ids.parquet")
    assert code == 2
    assert "create it first" in err


def test_export_a_delta(folders, capsys):
    out = folders / "d.parquet"
    code, shown, err = run(capsys, "export", folders / "new", "--delta", folders / "old", "--out", out, "--json")
    assert (code, err) == (0, "")
    assert json.loads(shown)["added"] == 2
    with BundleEditor(folders / "old") as editor:
        assert editor.apply(out) == 3
    assert open_bundle(folders / "old").ids.tolist() == open_bundle(folders / "new").ids.tolist()
    for arguments, message in (
        (["--delta", folders / "other"], "of another training"),
        (["--delta", folders / "old", "--fastscan"], "leave --fastscan out"),
        (["--delta", folders / "old", "--engine", "lance"], "leave --engine out"),
    ):
        code, _, err = run(capsys, "export", folders / "new", *arguments, "--out", out)
        assert code == 2
        assert message in err


def test_a_delta_that_does_not_make_the_new_rows_is_not_kept(folders, capsys, monkeypatch):
    from poeem.bundle import delta

    table = delta._table

    def wrong(diff):
        # One row of those that come is lost.
        return table(diff).slice(1)

    monkeypatch.setattr(delta, "_table", wrong)
    code, out, err = run(capsys, "export", folders / "new", "--delta", folders / "old", "--out", folders / "d.parquet")
    assert (code, out) == (1, "")
    assert "the delta does not make the new rows" in err
    assert not list(folders.glob("*.parquet"))
