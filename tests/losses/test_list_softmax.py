from __future__ import annotations

import numpy as np
import pytest
import torch

from poeem.losses.list_softmax import list_softmax
from poeem.losses.retrieval_softmax import retrieval_softmax


def case(nlist=5, dim=4, n=30, m=60):
    g = torch.Generator().manual_seed(0)
    queries, centroids = (torch.randn(rows, dim, generator=g, dtype=torch.float64) for rows in (n, nlist))
    lists = torch.randint(0, nlist, (m,), generator=g)
    return queries, centroids, lists[torch.randint(0, m, (n,), generator=g)], lists


@pytest.mark.parametrize("metric", ["ip", "l2", "cosine"])
def test_at_1_it_is_the_softmax_over_items_with_centroids_in_their_place(metric):
    queries, centroids, target, lists = case()
    centroids = torch.nn.functional.normalize(centroids)  # of the softmax of items, cosine would do so
    log_q = -torch.rand(len(lists), generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 4
    options = {"temperature": 0.5, "metric": metric}
    q, c = (one.numpy() for one in (queries, centroids))
    if metric == "cosine":
        q = q / np.linalg.norm(q, axis=1, keepdims=True)
    logits = q @ c[lists].T if metric != "l2" else -((q[:, None] - c[lists]) ** 2).sum(-1)
    mass = np.exp(logits / 0.5 - log_q.numpy())
    same = target.numpy()[:, None] == lists.numpy()
    expected = -np.log((mass * same).sum(1) / mass.sum(1)).mean()
    assert list_softmax(*case()[:1], centroids, target, lists, log_q=log_q, **options).item() == pytest.approx(expected)


def test_at_0_it_is_the_softmax_over_lists_whatever_their_lengths():
    queries, centroids, target, lists = case()
    found = list_softmax(queries, centroids, target, lists, balance=0.0)
    assert found == retrieval_softmax(queries, centroids, target)


@pytest.mark.parametrize(("balance", "by"), [(0.0, [20, 30, 50]), (1.0, [20 / 1, 30 / 4, 50 / 10])])
def test_where_it_is_least_lists_are_ordered_by_what_they_hold_for_each_code(balance, by):
    # One query; what it wants lies in lists of 1, 4 and 10 items.
    lists = torch.arange(3).repeat_interleave(torch.tensor([1, 4, 10]))
    target_lists = torch.arange(3).repeat_interleave(torch.tensor([20, 30, 50]))
    queries, centroids = torch.eye(3)[:1].expand(100, 3), torch.zeros(3, 3, requires_grad=True)
    optimizer = torch.optim.LBFGS([centroids], max_iter=200)

    def closure():
        optimizer.zero_grad()
        loss = list_softmax(queries, centroids, target_lists, lists, balance=balance, temperature=1.0, metric="ip")
        loss.backward()
        return loss

    optimizer.step(closure)
    learnt = centroids.detach()[:, 0].softmax(0).numpy()
    np.testing.assert_allclose(learnt, np.array(by) / sum(by), atol=1e-3)


def test_the_gradient_is_right_by_finite_differences_with_a_list_that_the_sample_lacks():
    queries, centroids, target, lists = case()
    target, lists = target.clamp_max(3), lists.clamp_max(3)  # list 4 is empty
    queries, centroids = queries[:6].requires_grad_(), centroids.requires_grad_()
    assert torch.autograd.gradcheck(
        lambda q, c: list_softmax(q, c, target[:6], lists, balance=0.7), (queries, centroids)
    )
    list_softmax(queries, centroids, target[:6], lists).backward()
    assert not centroids.grad[4].any()
    assert centroids.grad[:4].any(1).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"balance": -0.5}, r"balance \(=-0.5\) must be 0 .* or more"),
        ({"balance": float("nan")}, r"balance \(=nan\)"),
        ({"log_q": torch.zeros(3)}, r"log_q \(shape \(3,\)\) must be \(60,\)"),
        ({"temperature": 0.0}, "temperature"),
        ({"metric": "dot"}, "metric"),
    ],
)
def test_refuses_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        list_softmax(*case(), **options)


def test_refuses_a_wanted_list_that_the_sample_lacks():
    queries, centroids, target, lists = case()
    with pytest.raises(ValueError, match=r"target \(=4 at one place\) must be a list that holds an item of lists"):
        list_softmax(queries, centroids, target.clamp_min(4), lists.clamp_max(3))


def test_leading_dimensions_are_rows():
    queries = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0))
    centroids, lists = torch.eye(4), torch.tensor([0, 1, 2, 3, 3])
    target = torch.tensor([[0, 1, 2], [3, 3, 0]])
    flat = list_softmax(queries.reshape(6, 4), centroids, target.flatten(), lists)
    assert torch.equal(list_softmax(queries, centroids, target, lists), flat)
