import pytest
import torch
import torch.nn.functional as F

from poeem.losses.retrieval_softmax import retrieval_softmax
from poeem.losses.two_views import two_views


def problem():
    g = torch.Generator().manual_seed(2)
    draw = lambda n: torch.randn(n, 4, generator=g, dtype=torch.float64)  # noqa: E731
    options = {
        "temperature": 0.3,
        "log_q": torch.rand(8, generator=g, dtype=torch.float64).log(),
        "item_ids": torch.randint(4, (8,), generator=g),
    }
    return draw(6), draw(8), draw(8), torch.randint(8, (6,), generator=g), options


@pytest.mark.parametrize("metric", ["ip", "cosine", "l2"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 1.0])
def test_is_the_loss_of_the_float_items_and_of_the_quantized(metric, share):
    queries, items, quantized, target, options = problem()
    floats = F.normalize(items) if metric == "cosine" else items
    terms = [retrieval_softmax(queries, x, target, metric=metric, **options) for x in (floats, quantized)]
    found = two_views(queries, items, quantized, target, metric=metric, share=share, **options)
    torch.testing.assert_close(found, (1 - share) * terms[0] + share * terms[1])


def test_gradients_reach_both_views():
    queries, items, quantized, target, options = problem()
    inputs = [x.requires_grad_() for x in (queries, items, quantized)]
    assert torch.autograd.gradcheck(lambda q, x, y: two_views(q, x, y, target, **options), inputs)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"share": 1.5}, r"share \(=1.5\) of the quantized view must be 0 to 1"),
        ({"share": float("nan")}, r"share \(=nan\)"),
        ({"quantized": torch.zeros(7, 4)}, r"quantized must have the shape of items, \(8, 4\), not \(7, 4\)"),
    ],
)
def test_refuses_what_does_not_fit(change, message):
    queries, items, quantized, target, options = problem()
    with pytest.raises(ValueError, match=message):
        two_views(queries, items, change.pop("quantized", quantized), target, **options, **change)


def test_leading_dimensions_are_rows():
    generator = torch.Generator().manual_seed(0)
    queries, items, quantized = (torch.randn(2, 3, 4, generator=generator) for _ in range(3))
    flat = two_views(queries.reshape(6, 4), items.reshape(6, 4), quantized.reshape(6, 4))
    assert torch.equal(two_views(queries, items, quantized), flat)
