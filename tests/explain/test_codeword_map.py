"""The map of the codewords."""

from __future__ import annotations

import numpy as np
import torch

from poeem.explain.codeword_map import codeword_map, principal_places
from poeem.layers.embedding_index import EmbeddingIndex


def test_places_keep_distances_of_codewords_in_a_plane():
    rng = np.random.default_rng(0)
    plane = rng.standard_normal((16, 2))
    axes = np.linalg.qr(rng.standard_normal((6, 2)))[0]
    places, shown = principal_places(plane @ axes.T + 3)
    assert shown > 0.999999
    assert np.abs(places).max() == 1
    before = np.linalg.norm(plane[:, None] - plane[None], axis=2)
    after = np.linalg.norm(places[:, None] - places[None], axis=2)
    np.testing.assert_allclose(after / after.max(), before / before.max(), atol=1e-9)


def test_one_dimension_and_equal_codewords():
    places, shown = principal_places(np.arange(4.0)[:, None])
    assert (places[:, 1] == 0).all()
    assert shown == 1
    assert (principal_places(np.ones((4, 3)))[0] == 0).all()


def test_counts_are_those_of_the_items(tmp_path):
    x = torch.randn(300, 8, generator=torch.Generator().manual_seed(0))
    layer = EmbeddingIndex(8, "PQ2x4", metric="l2")
    layer.warm_start(x)
    bundle = layer.eval().bundle(np.arange(300), x, tmp_path / "bundle")
    found = codeword_map(bundle)
    assert found.places.shape == (2, 16, 2)
    for m in range(2):
        assert found.counts[m].tolist() == [int((bundle.codes[:, m] == k).sum()) for k in range(16)]
