"""Every estimator in the layer: one value, and where the gradients go."""

from __future__ import annotations

import pytest
import torch

from poeem.functional.distortion import distortion
from poeem.functional.estimators import ESTIMATORS
from poeem.layers.choices import BeamSearch, Soft
from poeem.layers.embedding_index import EmbeddingIndex
from poeem.layers.soft import soft_estimate


def sample(n=300, seed=0):
    return torch.randn(n, 8, generator=torch.Generator().manual_seed(seed))


def ready(spec, estimator, **options):
    index = EmbeddingIndex(8, spec, metric="ip", estimator=estimator, **options)
    index.warm_start(sample())
    return index


@pytest.mark.parametrize(
    ("spec", "estimator"),
    [
        *((spec, estimator) for spec in ("OPQ2,IVF4,PQ2x4", "PQ2x4") for estimator in (*ESTIMATORS, "soft")),
        *(("RQ2x4", estimator) for estimator in ESTIMATORS),  # soft is refused
    ],
)
def test_the_value_is_what_the_engine_scores(spec, estimator):
    index = ready(spec, estimator, assignment=BeamSearch(2) if spec.startswith("RQ") else "nearest")
    x = sample(50, seed=1).requires_grad_()
    out = index(x)
    torch.testing.assert_close(out.embedding, index.decode(out.codes, out.lists), atol=1e-5, rtol=0)
    (out.embedding.square().sum() + out.distortion).backward()
    assert x.grad.isfinite().all()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in index.parameters())
    with torch.no_grad():
        torch.testing.assert_close(index.eval()(x).embedding, out.embedding, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("estimator", "reaches_the_index"), [("rotation-trick", False), ("soft", True)])
def test_where_the_gradient_goes(estimator, reaches_the_index):
    index = ready("OPQ2,IVF4,PQ2x4", estimator)
    x = sample(50, seed=1).requires_grad_()
    index(x).embedding.square().sum().backward()
    assert x.grad.abs().sum() > 0
    received = {p.grad is not None and bool(p.grad.abs().sum() > 0) for p in index.parameters()}
    assert received == {reaches_the_index}


def test_the_soft_gradient_is_that_of_the_soft_estimate():
    index = ready("OPQ2,IVF4,PQ2x4", Soft(0.7))
    x = sample(1000, seed=1).requires_grad_()
    weights = torch.randn(1000, 8, generator=torch.Generator().manual_seed(2))
    (index(x).embedding * weights).sum().backward()
    lists = index.encode(x.detach())[1]
    with torch.no_grad():
        for row, column in ((0, 0), (3, 5), (9, 7)):
            step = torch.zeros_like(x)
            step[row, column] = 1e-2
            # Of this row alone: the scale of the temperature moves with x for all rows, and has no gradient.
            up, down = ((soft_estimate(index, x + s, lists, 0.7)[row] * weights[row]).sum() for s in (step, -step))
            assert ((up - down) / 2e-2).item() == pytest.approx(x.grad[row, column].item(), abs=0.02)


def test_colder_the_gradient_fades_within_the_cells():
    index = ready("PQ2x4", "soft")
    sizes = []
    for temperature in (1.0, 0.01):
        index.soft_temperature = temperature
        x = sample(50, seed=1).requires_grad_()
        index(x).embedding.sum().backward()
        sizes.append(float(x.grad.abs().median()))
    assert sizes[1] < 0.01 * sizes[0]


@pytest.mark.parametrize("name", ESTIMATORS)
def test_leading_dimensions(name):
    x, x_hat = (torch.randn(6, 4, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1))
    shaped = [one.reshape(2, 3, 4).requires_grad_() for one in (x, x_hat)]
    flat = [one.requires_grad_() for one in (x, x_hat)]
    outputs = [ESTIMATORS[name](*pair) for pair in (shaped, flat)]
    assert torch.equal(outputs[0].reshape(6, 4), outputs[1])
    assert torch.equal(distortion(*shaped), distortion(*flat))
    for output in outputs:
        output.square().sum().backward()
    assert torch.equal(shaped[0].grad.reshape(6, 4), flat[0].grad)
