from __future__ import annotations

import numpy as np
import pytest
import torch

from poeem.layers.embedding_index import EmbeddingIndex
from poeem.training.frozen.encode_blocks import decode_blocks, encode_all


@pytest.mark.parametrize("spec", ["PQ4x4", "IVF8,PQ4x4", "RQ2x4"])
def test_decodes_given_codes_as_it_decodes_its_own(spec):
    items = np.random.default_rng(0).standard_normal((400, 8)).astype(np.float32)
    index = EmbeddingIndex(8, spec, metric="l2")
    index.warm_start(torch.from_numpy(items))
    index.eval()
    codes, lists = encode_all(index, items)
    own = np.concatenate(list(decode_blocks(index, items)))
    assert (np.concatenate(list(decode_blocks(index, items, codes, lists))) == own).all()
    expected = index.encode(torch.from_numpy(items))
    assert (codes == expected[0].numpy()).all()
    assert (lists is None) == (expected[1] is None) == ("IVF" not in spec)
    assert np.allclose(own, index.decode(*expected).numpy())
