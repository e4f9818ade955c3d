"""The figures of a training by step, also over an interruption."""

from __future__ import annotations

import json

import pytest

from poeem.training.history import History, curves_of, read_history
from poeem.training.recipes.interactions import train_interactions

OPTIONS = {"spec": "PQ2x4", "dim": 8, "batch_size": 64, "lr": 0.01, "device": "cpu", "show": False, "baselines": ()}


def test_rows_beyond_the_step_of_a_resumed_training_are_dropped(tmp_path):
    file = tmp_path / "h.jsonl"
    history = History(file)
    history.begin(0)
    for step in (1, 2, 3):
        history.add(step, {"loss": 1 / step})
    again = History(file)
    again.begin(2)
    again.add(3, {"loss": 9})
    assert read_history(file) == [{"step": 1, "loss": 1.0}, {"step": 2, "loss": 0.5}, {"step": 3, "loss": 9.0}]
    assert curves_of(again.rows) == {"loss": [(1, 1.0), (2, 0.5), (3, 9.0)]}


@pytest.mark.parametrize("text", ["{", "[1]", '{"loss": 1}', '{"step": 1, "loss": "x"}', '{"step": 1.5}', "\x80"])
def test_a_damaged_file_is_named_and_begun_again(tmp_path, text):
    file = tmp_path / "h.jsonl"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match=r"h.jsonl: cannot be read .*; delete it"):
        read_history(file)
    history = History(file)
    history.begin(5)
    history.add(6, {"loss": 1})
    assert read_history(file) == [{"step": 6, "loss": 1.0}]


def test_a_long_training_has_no_more_rows_than_a_short_one(small, tmp_path, monkeypatch):
    monkeypatch.setattr("poeem.training.train_model.ROWS", 20)
    train_interactions(small, out=tmp_path / "run", steps=65, validate_every=30, **OPTIONS)
    rows = read_history(tmp_path / "run" / "checkpoints" / "history.jsonl")
    curves = curves_of(rows)
    assert [step for step, _ in curves["validation/ndcg@10"]] == [30, 60, 65]
    assert [step for step, _ in curves["training/loss"]] == [*range(3, 64, 3), 65]
    # From the warm start on there are codes.
    assert curves["index/perplexity"][0][0] == 33
    losses = [value for _, value in curves["training/loss"]]
    assert sum(losses[-6:]) < sum(losses[:6])


def test_an_interrupted_training_has_the_rows_of_one_that_was_not(small, tmp_path, monkeypatch):
    train_interactions(small, out=tmp_path / "whole", steps=60, checkpoint_every=20, **OPTIONS)
    from poeem.training import loop

    seed = loop.seed_step

    def stop(seed_of_run, step, rank):
        if step == 47:
            raise RuntimeError("killed")
        seed(seed_of_run, step, rank)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "seed_step", stop)
        with pytest.raises(RuntimeError, match="killed"):
            train_interactions(small, out=tmp_path / "half", steps=60, checkpoint_every=20, **OPTIONS)
    half = read_history(tmp_path / "half" / "checkpoints" / "history.jsonl")
    assert half[-1]["step"] == 47
    train_interactions(small, out=tmp_path / "half", steps=60, checkpoint_every=20, resume=True, **OPTIONS)
    files = [tmp_path / name / "checkpoints" / "history.jsonl" for name in ("whole", "half")]
    whole, resumed = ([json.loads(line) for line in file.read_text().splitlines()] for file in files)
    assert [row["step"] for row in resumed] == [row["step"] for row in whole]
    assert [row.get("training/loss") for row in resumed] == pytest.approx([row.get("training/loss") for row in whole])
