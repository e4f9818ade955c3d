from __future__ import annotations

import re
import sys
from datetime import timedelta

import torch

from poeem.layers.embedding_index import EmbeddingIndex
from poeem.towers.two_tower import interaction_towers
from poeem.training.hard_negatives import HardNegatives
from poeem.training.model import JointModel
from poeem.training.progress import describe, progress_bar
from poeem.training.step_output import StepOutput

OUTPUT = StepOutput(torch.tensor(1.5), torch.tensor(1.25), torch.tensor(0.25))


def model(ready: bool) -> JointModel:
    index = EmbeddingIndex(4, "PQ2x4")
    if ready:
        index.warm_start(torch.randn(32, 4))
    return JointModel(interaction_towers("history", 9, 4), index, log_q=torch.zeros(9))


def test_index_is_described_once_it_quantizes():
    assert describe(OUTPUT, model(ready=False)) == "loss 1.500"
    assert describe(OUTPUT, model(ready=True)) == "loss 1.500  distortion 0.2500  perplexity 0"


def test_mining_is_shown_with_its_share_of_the_time():
    mining = HardNegatives(torch.arange(9), 4, count=1)
    described = JointModel(interaction_towers("history", 9, 4), None, log_q=torch.zeros(9), hard_negatives=mining)
    assert "mining" not in describe(OUTPUT, described)
    mining.active = True
    mining.refresh(described.scored_vectors, 0)
    assert re.fullmatch(r"loss 1.500  mining [0-9]+%, 0 MB", describe(OUTPUT, described))
    many = HardNegatives(torch.arange(10**5), 64, count=1)
    # Of 2^16 rows: 64 floats, a number, 256 scores; and the numbers of all.
    assert many.memory == 2**16 * (4 * 64 + 8 + 4 * 256) + 8 * 10**5


def test_lines_with_times_where_there_is_no_terminal(capsys, monkeypatch):
    now = iter([100.0, *range(110, 200, 20), 200.0])
    monkeypatch.setattr("poeem.training.progress.time.monotonic", lambda: next(now))
    with progress_bar("title", 20, start=10) as progress:
        for step in range(11, 21):
            progress.update(step, OUTPUT, model(ready=False))
    captured = capsys.readouterr()
    assert captured.out == ""
    # Two steps after 10 s: eight more take 40 s.
    times = [(10, 40), (30, 45), (50, 33), (70, 18), (90, 0)]
    assert captured.err.splitlines() == [
        f"title: step {step}/20  loss 1.500  elapsed {timedelta(seconds=past)}, remaining {timedelta(seconds=rest)}"
        for step, (past, rest) in zip(range(12, 21, 2), times)
    ]


def test_a_bar_where_there_is_one(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with progress_bar("title", 20, start=5) as progress:
        # The last step is drawn however soon it comes after the one before.
        progress.update(19, OUTPUT, model(ready=False))
        progress.update(20, OUTPUT, model(ready=False))
        progress.note("a line [that] stays")
    message = capsys.readouterr()
    assert message.out == ""
    assert "20/20" in message.err
    assert "a line [that] stays" in message.err


def test_silence_on_request(capsys):
    with progress_bar("title", 20, show=False) as progress:
        progress.update(20, OUTPUT, model(ready=False))
        progress.note("nothing")
    assert capsys.readouterr() == ("", "")
