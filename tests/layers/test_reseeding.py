"""Dead codewords and lists are moved to vectors."""

from __future__ import annotations

import pytest
import torch

from poeem.layers.embedding_index import EmbeddingIndex
from tests.layers.samples import ready, sample


def test_dead_codewords_and_lists_are_moved_to_vectors():
    index = ready("IVF8,PQ4x4", "l2", reseed_every=5)
    x = sample(300)
    index.usage()
    with torch.no_grad():
        index.quantizer.codebooks[:, :8] = 1e4
        index.coarse.directions[:3] = -1e4
    for _ in range(4):
        index(x)
    assert index.usage()["dead_share"] >= 0.5
    for _ in range(6):
        index(x)
    assert index.quantizer.codebooks.abs().max() < 100
    assert index.coarse.directions.abs().max() < 100
    index(x)
    assert index.eval()(x).codes.unique(dim=0).shape[0] > 50


def test_codewords_are_not_called_dead_before_a_full_window_of_use():
    index = EmbeddingIndex(16, "PQ4", metric="l2", reseed_every=5)
    for _ in range(4):  # four identities: the next multiple of the window falls right after the warm start
        index(sample(8))
    index.warm_start(sample(1000))
    fitted = index.quantizer.codebooks.detach().clone()
    for _ in range(5):
        index(sample(8))
    assert torch.equal(index.quantizer.codebooks, fitted)
    index(sample(8))
    assert not torch.equal(index.quantizer.codebooks, fitted)


@pytest.mark.parametrize("forwards", [1, 2])
@pytest.mark.parametrize("estimator", ["ste", "task", "soft"])
def test_moving_dead_codewords_and_lists_leaves_the_backward_of_the_step_alone(estimator, forwards):
    index = ready("OPQ4,IVF8,PQ4x4", "cosine", reseed_every=3, estimator=estimator)
    with torch.no_grad():
        index.coarse.directions[5:] = index.coarse.directions[4]  # ties go to the first
        index.quantizer.codebooks[:, 8:] = 1e3
    moved = []
    for _ in range(4):
        before = index.coarse.directions.detach().clone()
        index.zero_grad()
        outs = [index(sample(300)) for _ in range(forwards)]
        loss = sum(out.embedding.sum() + out.distortion + index.coarse.centroids().square().sum() for out in outs)
        loss.backward()
        assert all(p.grad.isfinite().all() for p in index.parameters())
        moved.append(not torch.equal(index.coarse.directions, before))
    assert sum(moved) == 1


def test_the_gradient_of_a_step_that_moves_codewords_is_that_of_the_moved_codewords():
    index = ready("IVF8,PQ4x4", "cosine", reseed_every=3)
    with torch.no_grad():
        index.coarse.directions[5:] = index.coarse.directions[4]
    x = sample(300)
    for _ in range(3):
        index(x)
    before = index.coarse.directions.detach().clone()
    index.zero_grad()
    index(x).distortion.backward()
    assert not torch.equal(index.coarse.directions, before)
    found = index.coarse.directions.grad.clone()
    index.zero_grad()
    index(x).distortion.backward()  # the same codewords, none moved
    torch.testing.assert_close(found, index.coarse.directions.grad)


def test_reports_the_use_of_codewords_and_lists():
    index = ready()
    index(sample())
    use = index.usage()
    assert 8 < use["perplexity"] <= 16
    assert 0 <= use["dead_share"] < 0.2
    assert 1 <= use["list_imbalance"] < 8
    assert set(ready("PQ4x4").usage()) == {"perplexity", "dead_share"}
