from __future__ import annotations

import numpy as np
import pytest
import torch

from poeem.layers.embedding_index import EmbeddingIndex
from poeem.layers.from_arrays import index_from, layer_from_arrays
from poeem.spec import IndexSpec


@pytest.mark.parametrize("spec", ["PQ4", "OPQ4,IVF8,PQ4x4", "IVF8,RQ3x4"])
@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
def test_an_exact_layer_holds_the_arrays_of_a_bundle_to_the_bit(tmp_path, spec, metric):
    vectors = torch.randn(600, 16, generator=torch.Generator().manual_seed(0)) + 0.2
    layer = EmbeddingIndex(16, spec, metric=metric)
    layer.warm_start(vectors)
    layer.keep_encoding()
    layer.set_query_adapter(2 * torch.eye(16))
    with torch.no_grad():
        layer.quantizer.codebooks.add_(0.01 * torch.randn(layer.quantizer.codebooks.shape))
    bundle = layer.eval().bundle(np.arange(600), vectors, tmp_path / "b")
    held = index_from(bundle, exact=True).eval()
    assert held.arrays().keys() == bundle.arrays.keys() == layer.arrays().keys()
    for name, array in held.arrays().items():
        np.testing.assert_array_equal(array, bundle.arrays[name])
    assert torch.equal(held.encode(vectors)[0], layer.encode(vectors)[0])


def test_centroids_of_free_norm_stay_so_and_equal_ones_stay_equal():
    for norms, parametrised in (([1.0, 1.0], True), ([1.0, 2.0], False)):
        arrays = {
            "coarse": np.diag(norms).astype(np.float32),
            "codebooks": np.zeros((1, 16, 2), np.float32),
        }
        layer = layer_from_arrays(arrays, spec=IndexSpec.parse("IVF2,PQ1x4"), metric="ip", dim=2)
        assert (layer.coarse.norm is not None) == parametrised
        np.testing.assert_allclose(layer.arrays()["coarse"], arrays["coarse"], rtol=1e-6)
