from __future__ import annotations

import numpy as np
import pytest
import torch

from poeem.bundle.encoder import Encoder
from poeem.layers.choices import BeamSearch, ScoreAware
from poeem.layers.embedding_index import EmbeddingIndex

CASES = [
    ("PQ4", "l2", {}),
    ("OPQ4,IVF8,PQ4x4", "cosine", {}),
    ("OPQ4,IVF8,PQ4x4", "l2", {}),
    ("IVF8,PQ4x5", "ip", {"assignment": ScoreAware(4.0)}),
    ("IVF8,PQ4x4", "ip", {"assignment": "balanced"}),
    ("IVF8,RQ3x4", "ip", {"assignment": BeamSearch(3)}),
    ("RQ3x4", "l2", {}),
]


def vectors(n, seed=0, dim=16):
    return torch.randn(n, dim, generator=torch.Generator().manual_seed(seed)) + 0.2


@pytest.mark.parametrize("kept", [False, True])
@pytest.mark.parametrize(("spec", "metric", "options"), CASES)
def test_new_vectors_get_the_codes_of_the_layer(spec, metric, options, kept, tmp_path):
    layer = EmbeddingIndex(16, spec, metric=metric, **options)
    layer.warm_start(vectors(600))
    if kept:
        layer.keep_encoding()
        layer.set_query_adapter(2 * torch.eye(16))
    with torch.no_grad():
        layer.quantizer.codebooks.mul_(1.2)
    bundle = layer.eval().bundle(range(50), vectors(50, seed=1), tmp_path / "bundle")
    new = vectors(20_000, seed=2)  # more than a block
    codes, lists = Encoder(bundle).encode(new.numpy())
    expected_codes, expected_lists = layer.encode(new)
    np.testing.assert_array_equal(codes, expected_codes.numpy())
    assert codes.dtype == np.uint8
    assert (lists is None) == (expected_lists is None)
    if lists is not None:
        np.testing.assert_array_equal(lists, expected_lists.numpy())
