from __future__ import annotations

import numpy as np
import pytest

from poeem.bundle.read import open_bundle
from poeem.training.recipes import vector_files
from poeem.training.recipes.vector_files import fit_files

OPTIONS = {"spec": "PQ4x4", "epochs": 1.0, "show": False}


@pytest.fixture
def items(tmp_path):
    file = tmp_path / "items.npy"
    np.save(file, np.random.default_rng(0).standard_normal((200, 8)).astype(np.float32))
    return file


def interrupted(*_):
    raise KeyboardInterrupt


def test_a_fit_interrupted_before_its_figures_is_repeated_by_the_same_command(items, tmp_path, monkeypatch):
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(vector_files, "write_text", interrupted)
        with pytest.raises(KeyboardInterrupt):
            fit_files(items, out, **OPTIONS)
    assert (out / "bundle").is_dir()
    assert not (out / "metrics.json").exists()
    metrics = fit_files(items, out, **OPTIONS)
    assert len(open_bundle(out / "bundle")) == 200
    assert sorted(path.name for path in out.iterdir()) == ["bundle", "metrics.json"]
    assert metrics["spec"] == "PQ4x4"


def test_a_finished_fit_and_files_of_others_are_not_replaced(items, tmp_path):
    out = tmp_path / "out"
    fit_files(items, out, **OPTIONS)
    with pytest.raises(ValueError, match="holds files already"):
        fit_files(items, out, **OPTIONS)


def test_a_fit_that_writes_nothing_leaves_nothing(items, tmp_path, monkeypatch):
    monkeypatch.setattr("poeem.training.recipes.vectors.VectorsFit.bundle", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fit_files(items, tmp_path / "out", **OPTIONS)
    assert not any((tmp_path / "out").iterdir())
