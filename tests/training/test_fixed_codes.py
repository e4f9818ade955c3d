"""Items keep their codes while codewords learn; compared with numpy in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from poeem.layers.embedding_index import EmbeddingIndex
from poeem.training.fixed_codes import FixedCodes

N, DIM = 200, 8


def case(spec, metric, estimator):
    generator = torch.Generator().manual_seed(0)
    index = EmbeddingIndex(DIM, spec, metric=metric, estimator=estimator, reseed_every=0)
    old = torch.randn(N, DIM, generator=generator)
    index.warm_start(old)
    kept = FixedCodes(N, index.spec.M, lists=bool(index.spec.nlist))
    kept.record(index.eval(), old)
    codes, lists = index.encode(old)
    # What no item would choose again.
    moved = torch.randn(N, DIM, generator=generator)
    return index.train(), kept, moved, codes, lists


@pytest.mark.parametrize(
    ("spec", "metric"), [("PQ4x4", "ip"), ("OPQ4,IVF4,PQ4x4", "cosine"), ("IVF4,RQ2x4", "l2")], ids=str
)
@pytest.mark.parametrize("estimator", ["ste", "task"])
def test_codes_stay_wherever_vectors_go_and_codewords_learn(spec, metric, estimator):
    index, kept, moved, codes, lists = case(spec, metric, estimator)
    some = torch.randperm(N, generator=torch.Generator().manual_seed(1))[:50]
    x = moved[some].requires_grad_()
    out = kept.output(index, some, x, index(x))
    found, found_lists = kept.encode(index, some, moved[some])
    assert torch.equal(found, codes[some])
    assert torch.equal(out.codes, codes[some])
    if lists is not None:
        assert torch.equal(found_lists, lists[some])
        assert torch.equal(out.lists, lists[some])
    decoded = index.decode(codes[some], None if lists is None else lists[some])
    torch.testing.assert_close(out.embedding.detach(), decoded)
    unit = moved[some].double().numpy()
    unit = unit / np.linalg.norm(unit, axis=1, keepdims=True) if metric == "cosine" else unit
    expected = np.square(unit - decoded.double().numpy()).sum(1).mean()
    assert out.distortion.item() == pytest.approx(expected, rel=1e-5)

    # The loss is linear in what is scored, so that each codeword's gradient is the sum of the weights of its items.
    weight = torch.randn(50, DIM, generator=torch.Generator().manual_seed(2))
    (out.embedding * weight).sum().backward()
    gradient = index.quantizer.codebooks.grad
    if estimator == "ste":
        assert gradient is None or not gradient.any()
    else:
        rotated = weight if index.rotation is None else weight @ index.rotation.matrix().detach()
        width = gradient.shape[-1]
        for m in range(index.spec.M):
            part = rotated if width == DIM else rotated[:, m * width : (m + 1) * width]
            expected = np.zeros((index.spec.ksub, width))
            np.add.at(expected, codes[some, m].numpy(), part.double().numpy())
            np.testing.assert_allclose(gradient[m].numpy(), expected, rtol=1e-4, atol=1e-5)
    assert x.grad.any()  # straight through


def test_before_the_warm_start_there_is_nothing_to_keep():
    index = EmbeddingIndex(DIM, "PQ4x4", metric="ip", warmup_steps=5)
    x = torch.randn(N, DIM)
    out = index(x)
    assert FixedCodes(N, 4, lists=False).output(index, torch.arange(N), x, out) is out


def test_a_state_dict_carries_the_codes():
    index, kept, _, codes, lists = case("OPQ4,IVF4,PQ4x4", "cosine", "task")
    other = FixedCodes(N, 4, lists=True)
    other.load_state_dict(kept.state_dict())
    found, found_lists = other.encode(index, torch.arange(N), torch.zeros(N, DIM))
    assert torch.equal(found, codes)
    assert torch.equal(found_lists, lists)


def test_autocast_does_not_reach_what_is_scored():
    index, kept, moved, codes, lists = case("OPQ4,IVF4,PQ4x4", "cosine", "task")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = kept.output(index, torch.arange(N), moved, index(moved))
    torch.testing.assert_close(out.embedding.detach(), index.decode(codes, lists), atol=1e-5, rtol=0)
