"""The choices of assignment in the layer."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import poeem
from poeem.functional.encode import ENCODE_ROWS
from poeem.functional.score_aware import assign_score_aware
from poeem.layers.choices import ScoreAware
from poeem.layers.embedding_index import EmbeddingIndex


def sample(n=400, dim=16, seed=0):
    return torch.randn(n, dim, generator=torch.Generator().manual_seed(seed))


def ready(assignment, spec="OPQ4,IVF8,PQ4x4", **options):
    index = EmbeddingIndex(16, spec, assignment=assignment, **options)
    index.warm_start(sample(1000, seed=7))
    return index


@pytest.mark.parametrize("spec", ["PQ4x4", "OPQ4,IVF8,PQ4x4"])
def test_score_aware_codes_are_the_same_in_training_and_encoding(spec):
    index, nearest = ready(ScoreAware(4.0), spec), ready("nearest", spec)
    x = sample()
    out = index(x)
    codes, lists = index.encode(x)
    assert torch.equal(codes, out.codes)
    assert not torch.equal(codes, nearest.encode(x)[0])
    assert lists is None or torch.equal(lists, nearest.encode(x)[1])
    exact = torch.nn.functional.normalize(x)
    errors = [(exact * (exact - i.decode(*i.encode(x)))).sum(1).square().mean() for i in (index, nearest)]
    assert errors[0] < 0.9 * errors[1]
    if lists is not None:
        y = exact @ index.rotation.matrix().detach()
        residual = y - index.coarse.centroids().detach()[lists]
        expected = assign_score_aware(residual, index.quantizer.codebooks.detach(), y, eta=4.0)
        assert torch.equal(codes, expected)


@pytest.mark.parametrize(("assignment", "spec"), [("balanced", "OPQ4,IVF8,PQ4x4"), ("nearest", "RQ4x4")])
def test_a_step_assigns_all_its_rows_together_as_training_does(assignment, spec):
    index = ready(assignment, spec)
    x = sample(ENCODE_ROWS + 500)  # more than are encoded at a time
    codes, lists = index.encode(x, step=True)
    trained = index.train()(x)
    # Products of other shapes round otherwise.
    assert (codes == trained.codes).float().mean() > 0.999
    assert (codes == index.encode(x)[0]).float().mean() < 0.99
    assert lists is None or torch.equal(lists, trained.lists)


def test_score_aware_codes_reach_the_engine(tmp_path):
    index = ready("score-aware")
    bundle = index.bundle(np.arange(400), sample(), tmp_path / "bundle")
    assert (bundle.codes == index.encode(sample())[0].numpy()).all()
    assert poeem.export(bundle, "faiss", tmp_path / "items.faiss").rank_agreement == 1.0


def test_balanced_in_training_nearest_outside():
    index, nearest = ready("balanced"), ready("nearest")
    x = sample()
    with torch.no_grad():
        for one in (index, nearest):
            one.quantizer.codebooks[:, :4] += 1
    trained = index(x).codes
    assert not torch.equal(trained, nearest(x).codes)
    assert all(len(trained[:, m].unique()) == 16 for m in range(4))
    assert torch.equal(index.encode(x)[0], nearest.encode(x)[0])
    assert torch.equal(index.eval()(x).codes, nearest.eval()(x).codes)
