from __future__ import annotations

import pytest
from accelerate import Accelerator

from poeem.training.compare import compare
from poeem.training.interactions.run import load_interaction_run
from poeem.training.recipes.interactions import train_interactions


def test_nprobe_without_lists_is_refused(small, tmp_path):
    folder = tmp_path / "run"
    train_interactions(
        small, spec="PQ2x4", out=folder, dim=8, steps=4, batch_size=64, device="cpu", baselines=(), show=False
    )
    with pytest.raises(
        ValueError, match=r"nprobe \(=3\) goes with inverted lists, spec 'PQ2x4' has none; leave it out"
    ):
        compare(load_interaction_run(folder), accelerator=Accelerator(cpu=True), nprobe=3, show=False)


def test_nprobe_of_an_evaluation_goes_for_index_and_baselines(copied, finished):
    metrics = compare(
        load_interaction_run(copied), accelerator=Accelerator(cpu=True), baselines=("pq",), nprobe=4, show=False
    )
    assert metrics["nprobe"] == 4
    assert metrics["index"] == finished[1]["index_full_probe"]
    assert metrics["baselines"]["pq"]["recall@100"] >= finished[1]["baselines"]["pq"]["recall@100"]
    assert metrics["float"] == finished[1]["float"]


def test_the_twin_leaves_the_runs_trackers_alone(small, tmp_path, monkeypatch):
    logged: list[set[str]] = []
    monkeypatch.setattr(Accelerator, "log", lambda self, values, **_: logged.append(set(values)))
    train_interactions(
        small,
        spec="PQ2x4",
        out=tmp_path / "run",
        dim=8,
        steps=60,
        batch_size=64,
        device="cpu",
        baselines=("pq",),
        log_with="tensorboard",
        show=False,
    )
    assert sum("training/loss" in names for names in logged) == 1  # at step 50 of the run; the twin had one too
