import numpy as np
import pytest
import torch

from poeem.losses import softmax_cross_entropy as module
from poeem.losses.softmax_cross_entropy import softmax_cross_entropy


def oracle(queries, items, bias, target, scale, item_ids=None):
    """One logit after the other, in float64."""
    losses = np.zeros(len(items))
    for v in range(len(items)):
        for i, t in enumerate(target):
            logits = [
                scale * float(np.dot(queries[i], items[v][j])) + bias[v][j]
                for j in range(len(items[v]))
                if j == t or item_ids is None or item_ids[j] != item_ids[t]
            ]
            positive = scale * float(np.dot(queries[i], items[v][t])) + bias[v][t]
            losses[v] += np.log(np.sum(np.exp(np.array(logits) - positive)))
    return losses / len(target)


def problem(n=7, m=5, dim=3, views=2, seed=0, dtype=torch.float64):
    g = torch.Generator().manual_seed(seed)
    queries = torch.randn(n, dim, generator=g, dtype=dtype)
    items = torch.randn(views, m, dim, generator=g, dtype=dtype)
    bias = torch.randn(views, m, generator=g, dtype=dtype)
    return queries, items, bias, torch.randint(m, (n,), generator=g), torch.randint(3, (m,), generator=g)


@pytest.fixture(params=[2**19, 10], ids=["one chunk", "chunks of two rows"])
def chunk(request, monkeypatch):
    monkeypatch.setitem(module._CHUNK, "cpu", request.param)


@pytest.mark.usefixtures("chunk")
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("gradient", [False, True])
def test_equals_the_oracle(masked, gradient):
    queries, items, bias, target, ids = problem()
    ids = ids if masked else None
    expected = oracle(*(x.numpy() for x in (queries, items, bias, target)), 3.0, ids if ids is None else ids.numpy())
    found = softmax_cross_entropy(queries.requires_grad_(gradient), items, bias, target, scale=3.0, item_ids=ids)
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=1e-12)


@pytest.mark.usefixtures("chunk")
@pytest.mark.parametrize("masked", [False, True])
def test_gradients_of_every_input(masked):
    queries, items, bias, target, ids = problem()
    inputs = [x.requires_grad_() for x in (queries, items, bias)]
    assert torch.autograd.gradcheck(
        lambda q, x, b: softmax_cross_entropy(q, x, b, target, scale=3.0, item_ids=ids if masked else None), inputs
    )


def test_views_are_weighed_one_by_one():
    queries, items, bias, target, _ = problem()
    weights = torch.tensor([0.3, 2.0], dtype=torch.float64)
    q = queries.clone().requires_grad_()
    (softmax_cross_entropy(q, items, bias, target) * weights).sum().backward()
    expected = torch.zeros_like(queries)
    for v in range(2):
        r = queries.clone().requires_grad_()
        softmax_cross_entropy(r, items[v : v + 1], bias[v : v + 1], target).sum().backward()
        expected += weights[v] * r.grad
    torch.testing.assert_close(q.grad, expected)


def test_equals_the_stock_loss_in_float32_at_size():
    queries, items, bias, target, _ = problem(n=300, m=4000, dim=16, views=1, dtype=torch.float32)
    pair = []
    for ours in (True, False):
        q, x = queries.clone().requires_grad_(), items.clone().requires_grad_()
        if ours:
            loss = softmax_cross_entropy(q, x, bias, target, scale=2.0)[0]
        else:
            loss = torch.nn.functional.cross_entropy(2.0 * q @ x[0].T + bias[0], target)
        loss.backward()
        pair.append((loss.detach(), q.grad, x.grad))
    for found, expected in zip(*pair):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-8)


def test_a_hopeless_target_has_a_finite_loss_and_gradient():
    # exp(-400) is 0 in float32: the loss must be taken from logits, not from log of the probability.
    queries = torch.tensor([[1.0]], requires_grad=True)
    loss = softmax_cross_entropy(queries, torch.tensor([[[-400.0], [0.0]]]), torch.zeros(1, 2), torch.tensor([0]))
    loss.sum().backward()
    assert loss.item() == pytest.approx(400)
    assert queries.grad.item() == pytest.approx(400)


def test_one_column_is_certain():
    loss = softmax_cross_entropy(torch.ones(2, 1), torch.ones(1, 1, 1), torch.zeros(1, 1), torch.tensor([0, 0]))
    assert loss.tolist() == [0.0]
