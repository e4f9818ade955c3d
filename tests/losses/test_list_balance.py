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
def test_it_is_the_share_of_codes_that_a_search_scans(metric, nprobe):
    queries, items, centroids = case()
    q, x, c = (a.numpy() for a in (queries, items, centroids))
    lists = ((x[:, None] - c) ** 2).sum(-1).argmin(1)
    nearness = q @ c.T if metric == "ip" else -((q[:, None] - c) ** 2).sum(-1)
    probed = np.argsort(-nearness, axis=1)[:, :nprobe]
    scanned = np.mean([np.isin(lists, some).mean() for some in probed])
    found = list_balance(queries, items, centroids, nprobe=nprobe, metric=metric)
    assert found.item() == pytest.approx(scanned, rel=1e-6)


@pytest.mark.parametrize("metric", ["ip", "l2"])
def test_the_gradient_is_that_of_soft_counts_by_finite_differences(metric):
    arrays = [a.numpy() for a in case()]
    T = 0.3

    def counts(q, x, c, scales):
        """Soft probing and soft shares, and the hard ones of now; the scales and the edge stay where they were."""
        near = x @ c.T - (c**2).sum(1) / 2
        scores = q @ c.T - ((c**2).sum(1) / 2 if metric == "l2" else 0)
        weights = np.exp((near - near.max(1, keepdims=True)) / (T * scales[1]))
        hard = np.bincount(near.argmax(1), minlength=len(c)) / len(x)
        return scores, (weights / weights.sum(1, keepdims=True)).mean(0), hard

    lengths = [np.linalg.norm(a, axis=1).mean() for a in arrays]
    scales = (lengths[0] * lengths[2], lengths[1] * lengths[2])
    scores, _, hard_shares = counts(*arrays, scales)
    edge = -np.sort(-scores, axis=1)[:, 1:3].mean(1, keepdims=True)
    hard_probed = scores > edge

    def mixture(q, x, c):
        scores, shares, _ = counts(q, x, c, scales)
        probed = 1 / (1 + np.exp(-(scores - edge) / (T * scales[0])))
        return (probed @ hard_shares + hard_probed @ shares).mean()

    tensors = [torch.from_numpy(a).requires_grad_() for a in arrays]
    list_balance(*tensors, nprobe=2, metric=metric, temperature=T).backward()
    for which, place in ((0, (3, 1)), (1, (7, 2)), (2, (4, 0)), (2, (1, 3))):
        ends = []
        for step in (1e-6, -1e-6):
            moved = [a.copy() for a in arrays]
            moved[which][place] += step
            ends.append(mixture(*moved))
        assert tensors[which].grad[place].item() == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-4, abs=1e-9)


def test_longer_vectors_have_the_same_loss_and_the_same_directions_of_descent():
    found = []
    for factor in (1.0, 50.0):
        queries, items, centroids = (factor * a for a in case())
        centroids.requires_grad_()
        loss = list_balance(queries, items, centroids, metric="l2")
        loss.backward()
        found.append((loss.detach(), factor * centroids.grad))
    torch.testing.assert_close(*found)


def test_even_lists_cost_nprobe_of_nlist():
    centroids = torch.eye(4)
    assert list_balance(centroids, centroids, centroids, nprobe=1).item() == pytest.approx(0.25)


@pytest.mark.parametrize("weight", [1.0, 100.0])
def test_descending_it_evens_out_the_lists_however_strong(weight):
    _, items, centroids = case()
    items = torch.cat([items[:150] / 10 + centroids[0], items[150:]])
    centroids = centroids.clone().requires_grad_()
    optimizer = torch.optim.Adam([centroids], lr=0.02)
    before = list_balance(items, items, centroids, metric="l2").item()
    for _ in range(100):
        optimizer.zero_grad()
        (weight * list_balance(items, items, centroids, metric="l2", temperature=0.05)).backward()
        optimizer.step()
    assert list_balance(items, items, centroids, metric="l2").item() < 0.8 * before


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
