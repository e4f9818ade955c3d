import numpy as np
import pytest
import torch

from poeem.losses.cross_quantized import cross_quantized


def slow_loss(views, temperature, debias=0.0, memory=()):
    """The definition row by row, in float64."""
    unit = lambda x: x / np.linalg.norm(x, axis=-1, keepdims=True)  # noqa: E731
    first, second, first_quantized, second_quantized = (unit(x) for x in views)
    n, losses = len(first), []
    for floats, quantized in ((first, second_quantized), (second, first_quantized)):
        stack = list(floats) + list(quantized)
        for i, row in enumerate(stack):
            partner = (i + n) % (2 * n)
            positive = np.exp(row @ stack[partner] / temperature)
            others = [x for j, x in enumerate(stack) if j not in (i, partner)] + [unit(x) for x in memory]
            negative = sum(np.exp(row @ x / temperature) for x in others)
            if debias:
                negative = (negative - debias * len(others) * positive) / (1 - debias)
                negative = max(negative, len(others) * np.exp(-1 / temperature))
            losses.append(-np.log(positive / (positive + negative)))
    return np.mean(losses)


def views(n=5, dim=6, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal((n, dim)) for _ in range(4)]


@pytest.mark.parametrize("temperature", [0.1, 0.5, 2.0])
@pytest.mark.parametrize("debias", [0.0, 0.1, 0.6])
@pytest.mark.parametrize("rows", [0, 7])
def test_against_the_definition(temperature, debias, rows):
    given = views()
    memory = np.random.default_rng(1).standard_normal((rows, 6))
    found = cross_quantized(
        *map(torch.from_numpy, given),
        temperature=temperature,
        debias=debias,
        memory=torch.from_numpy(memory) if rows else None,
    )
    assert float(found) == pytest.approx(slow_loss(given, temperature, debias, memory), abs=1e-12)


def test_the_floor_of_debiasing_is_met():
    # Partners are equal and negatives opposite: what debiasing subtracts exceeds their sum.
    x = np.array([[1.0, 0.0], [-1.0, 1e-3]])
    found = cross_quantized(*[torch.from_numpy(x)] * 4, temperature=0.5, debias=0.5)
    assert float(found) == pytest.approx(slow_loss([x] * 4, 0.5, 0.5), abs=1e-12)
    assert float(found) > 0


def test_float_views_give_the_plain_contrastive_loss():
    first, second, _, _ = map(torch.from_numpy, views(seed=3))
    stack = torch.nn.functional.normalize(torch.cat([first, second]), dim=1)
    logits = (stack @ stack.T / 0.5).fill_diagonal_(-torch.inf)
    partner = torch.arange(10).roll(5)
    expected = torch.nn.functional.cross_entropy(logits, partner)
    torch.testing.assert_close(cross_quantized(first, second, first, second), expected)


def test_the_quantized_vector_of_the_same_view_is_no_pair():
    first, second, first_quantized, second_quantized = map(torch.from_numpy, views(seed=4))
    first.requires_grad_()
    # The gradient of `first` is that of its own stack: `first_quantized` takes no part in it.
    (gradient,) = torch.autograd.grad(cross_quantized(first, second, first_quantized, second_quantized), first)
    (moved,) = torch.autograd.grad(cross_quantized(first, second, -3 * first_quantized, second_quantized), first)
    torch.testing.assert_close(gradient, moved)


@pytest.mark.parametrize("debias", [0.0, 0.1])
def test_gradients(debias):
    given = [torch.from_numpy(x).requires_grad_() for x in views(n=3, dim=4)]
    memory = torch.from_numpy(views(n=2, dim=4, seed=9)[0]).requires_grad_()
    loss = lambda *x: cross_quantized(*x[:4], debias=debias, memory=x[4])  # noqa: E731
    assert torch.autograd.gradcheck(loss, (*given, memory))


def test_a_low_temperature_does_not_overflow():
    given = [torch.from_numpy(x).float().requires_grad_() for x in views()]
    loss = cross_quantized(*given, temperature=0.005, debias=0.1)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(given[0].grad).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"temperature": 0}, r"temperature \(=0\) must be greater than 0"),
        ({"debias": 1.0}, r"debias \(=1.0\) must be 0 to below 1"),
        ({"memory": torch.zeros(3, 5)}, r"memory must be \(m, dim=6\), not \(3, 5\)"),
    ],
)
def test_refuses_what_does_not_fit(change, message):
    with pytest.raises(ValueError, match=message):
        cross_quantized(*map(torch.from_numpy, views()), **change)


def test_refuses_views_of_other_shapes():
    first, second, third, _ = map(torch.from_numpy, views())
    with pytest.raises(ValueError, match=r"must all be \(B, dim\), B > 1, not \(5, 6\), \(5, 6\), \(5, 6\), \(4, 6\)"):
        cross_quantized(first, second, third, third[:4])
