from __future__ import annotations

import numpy as np
import pytest
import torch

from poeem.layers.choices import BeamSearch, ScoreAware
from poeem.layers.embedding_index import EmbeddingIndex
from poeem.layers.from_arrays import encoder_of, layer_from_arrays

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


def trained(spec, metric, options):
    layer = EmbeddingIndex(16, spec, metric=metric, **options)
    layer.warm_start(vectors(600))
    with torch.no_grad():
        layer.quantizer.codebooks.add_(0.01 * torch.randn(layer.quantizer.codebooks.shape))
    return layer.eval()


@pytest.mark.parametrize(("spec", "metric", "options"), CASES)
def test_a_bundle_encodes_new_items_as_its_layer_does(tmp_path, spec, metric, options):
    layer = trained(spec, metric, options)
    bundle = layer.bundle(np.arange(600), vectors(600), tmp_path / "b")
    for array in bundle.arrays:
        np.testing.assert_array_equal(encoder_of(bundle).arrays()[array], bundle.arrays[array])
    new = vectors(2000, seed=1)
    expected, lists = layer.encode(new)
    codes, found = encoder_of(bundle).encode(new)
    assert torch.equal(codes, expected)
    assert lists is None or torch.equal(found, lists)


def test_kept_encoder_codewords_are_those_that_assign(tmp_path):
    layer = trained("IVF8,PQ4x4", "ip", {})
    layer.keep_encoding()
    layer.set_query_adapter(2 * torch.eye(16))
    before = layer.encode(vectors(500, 1))[0]
    with torch.no_grad():
        layer.quantizer.codebooks.copy_(torch.randn(layer.quantizer.codebooks.shape))
    bundle = layer.bundle(np.arange(600), vectors(600), tmp_path / "b")
    again = encoder_of(bundle)
    assert torch.equal(again.encode(vectors(500, 1))[0], before)
    assert again.arrays().keys() == layer.arrays().keys()


def test_centroids_of_free_norm_stay_so_and_equal_ones_stay_equal():
    for norms, parametrised in (([1.0, 1.0], True), ([1.0, 2.0], False)):
        arrays = {
            "coarse": np.diag(norms).astype(np.float32),
            "codebooks": np.zeros((1, 16, 2), np.float32),
        }
        from poeem.spec import IndexSpec

        layer = layer_from_arrays(arrays, spec=IndexSpec.parse("IVF2,PQ1x4"), metric="ip", dim=2)
        assert (layer.coarse.norm is not None) == parametrised
        np.testing.assert_allclose(layer.arrays()["coarse"], arrays["coarse"], rtol=1e-6)
