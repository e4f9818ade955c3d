from __future__ import annotations

import numpy as np
import pytest
import torch

from poeem.losses.list_balance import list_balance


def case(nlist=6, dim=4, dtype=torch.float64):
    g = torch.Generator().manual_seed(0)
    return tuple(torch.randn(n, dim, generator=g, dtype=dtype) for n in (30, 200, nlist))


@pytest.mark.parametrize("metric", ["ip", "l2"])
@pytest.mark.parametrize("nprobe", [1, 3])
def test_cold_it_is_the_share_of_codes_that_a_search_scans(metric, nprobe):
    queries, items, centroids = case()
    q, x, c = (a.numpy() for a in (queries, items, centroids))
    lists = ((x[:, None] - c) ** 2).sum(-1).argmin(1)
    nearness = q @ c.T if metric == "ip" else -((q[:, None] - c) ** 2).sum(-1)
    probed = np.argsort(-nearness, axis=1)[:, :nprobe]
    scanned = np.mean([np.isin(lists, some).mean() for some in probed])
    found = list_balance(queries, items, centroids, nprobe=nprobe, metric=metric, temperature=1e-6)
    assert found.item() == pytest.approx(scanned, rel=1e-6)


def test_warm_it_is_the_formula():
    queries, items, centroids = case()
    q, x, c = (a.numpy() for a in (queries, items, centroids))
    weights = np.exp(-((x[:, None] - c) ** 2).sum(-1) / 2 / 0.5)
    shares = (weights / weights.sum(1, keepdims=True)).mean(0)
    scores = q @ c.T
    ordered = -np.sort(-scores, axis=1)
    edge = (ordered[:, 1] + ordered[:, 2])[:, None] / 2
    expected = ((1 / (1 + np.exp(-(scores - edge) / 0.5))) @ shares).mean()
    assert list_balance(*case(), nprobe=2, metric="ip", temperature=0.5).item() == pytest.approx(expected)


def test_the_gradient_is_that_of_finite_differences():
    queries, items, centroids = (a.requires_grad_() for a in case())
    gradients = torch.autograd.grad(
        list_balance(queries, items, centroids, metric="l2", temperature=0.5), (items, queries)
    )
    step = torch.zeros_like(items)
    step[3, 1] = 1e-6
    up, down = (list_balance(queries, items + s, centroids, metric="l2", temperature=0.5) for s in (step, -step))
    assert ((up - down) / 2e-6).item() == pytest.approx(gradients[0][3, 1].item(), rel=1e-4)
    assert gradients[1].abs().sum() > 0


def test_even_lists_cost_nprobe_of_nlist():
    centroids = torch.eye(4)
    assert list_balance(centroids, centroids, centroids, nprobe=1, temperature=1e-3).item() == pytest.approx(0.25)


def test_descending_it_evens_out_the_lists():
    _, items, centroids = case()
    items = torch.cat([items[:150] / 10 + centroids[0], items[150:]])
    centroids = centroids.clone().requires_grad_()
    optimizer = torch.optim.Adam([centroids], lr=0.02)

    def scanned():
        return list_balance(items, items, centroids.detach(), metric="l2", temperature=1e-6).item()

    before = scanned()
    for _ in range(100):
        optimizer.zero_grad()
        list_balance(items, items, centroids, metric="l2", temperature=0.2).backward()
        optimizer.step()
    assert scanned() < 0.8 * before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"nprobe": 6}, r"nprobe \(=6\) must be 1 to 5"),
        ({"nprobe": 0}, r"nprobe \(=0\) must be 1 to 5"),
        ({"temperature": 0.0}, r"temperature \(=0.0\) must be a number above 0"),
        ({"metric": "dot"}, "metric"),
    ],
)
def test_refuses_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        list_balance(*case(), **options)


def test_refuses_widths_that_differ():
    queries, items, centroids = case()
    with pytest.raises(ValueError, match=r"items \(shape \(200, 3\)\) must be \(n, 4\)"):
        list_balance(queries, items[:, :3], centroids)
