"""State dicts of the embedding index."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from poeem.layers.embedding_index import EmbeddingIndex
from tests.layers.samples import ready, sample


@pytest.mark.parametrize("spec", ["OPQ4,IVF8,PQ4x4", "IVF8,RQ3x4"])
@pytest.mark.parametrize("when", [1, 3, 6, 9])
def test_a_resumed_run_continues_as_if_uninterrupted(when, spec):
    def train(steps, model=None, optimizer=None, start=0):
        model = model or EmbeddingIndex(16, spec, warmup_steps=2, buffer_rows=90, reseed_every=4)
        optimizer = optimizer or torch.optim.Adam(model.parameters(), lr=1e-2)
        for step in range(start, steps):
            out = model(sample(30, seed=step))
            optimizer.zero_grad()
            out.distortion.backward()
            optimizer.step()
        return model, optimizer

    whole, _ = train(12)
    model, optimizer = train(when)
    kept = copy.deepcopy((model.state_dict(), optimizer.state_dict()))
    model, _ = train(0)
    model.load_state_dict(kept[0])
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    optimizer.load_state_dict(kept[1])
    resumed, _ = train(12, model, optimizer, when)
    for (name, a), b in zip(whole.state_dict().items(), resumed.state_dict().values()):
        assert torch.equal(a, b), name


def test_a_state_without_the_phase_is_refused():
    index = ready()
    state = index.state_dict()
    del state["phase.progress"]
    with pytest.raises(RuntimeError, match="progress"):
        EmbeddingIndex(16, "OPQ4,IVF8,PQ4x4").load_state_dict(state)


@pytest.mark.parametrize("spec", ["PQ4x4", "RQ4x4"])
def test_what_a_fit_adds_travels_with_state_and_arrays(spec):
    index = ready(spec)
    codes = index.encode(sample())[0]
    index.keep_encoding()
    index.set_query_adapter(2 * torch.eye(16))
    with torch.no_grad():
        index.quantizer.codebooks.mul_(1.5)
    assert (index.encode(sample())[0] == codes).all()
    assert (index.eval()(sample()).codes == codes).all()
    other = EmbeddingIndex(16, spec, metric="cosine")
    other.load_state_dict(index.state_dict())
    assert (other.encode(sample())[0] == codes).all()
    for name, array in index.arrays().items():
        assert (other.arrays()[name] == array).all()
    np.testing.assert_allclose(index.arrays()["codebooks"], 1.5 * index.arrays()["encoder_codebooks"], rtol=1e-6)
    plain = ready(spec)
    other.load_state_dict(plain.state_dict())
    assert set(other.arrays()) == {"codebooks"}
