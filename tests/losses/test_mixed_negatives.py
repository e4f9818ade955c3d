"""The softmax with mixed negatives against numpy, with the mixed vectors written out."""

import numpy as np
import pytest
import torch

from poeem.losses.mixed_negatives import softmax_with_mixed_negatives
from poeem.losses.retrieval_softmax import retrieval_softmax


def vectors(n: int, m: int, dim: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    return torch.randn(n, dim), torch.randn(m, dim)


@pytest.mark.parametrize("metric", ["ip", "cosine"])
def test_the_oracle_mixes_vectors(metric):
    queries, items = vectors(4, 9)
    target, log_q = torch.tensor([3, 0, 8, 2]), torch.linspace(-3, -1, 9)
    found = softmax_with_mixed_negatives(
        queries, items, target, count=3, low=0.45, high=0.45, temperature=0.5, metric=metric, log_q=log_q
    )
    q, x, q_log = queries.double().numpy(), items.double().numpy(), log_q.double().numpy()
    if metric == "cosine":
        q = q / np.linalg.norm(q, axis=1, keepdims=True)
    losses = []
    for i, positive in enumerate(target.tolist()):
        logits = x @ q[i] / 0.5 - q_log
        hardest = [j for j in np.argsort(-logits) if j != positive][:3]
        mixed = [(0.45 * x[positive] + 0.55 * x[j]) @ q[i] / 0.5 - q_log[j] for j in hardest]
        together = np.concatenate([logits, mixed])
        losses.append(np.log(np.exp(together).sum()) - logits[positive])
    assert float(found) == pytest.approx(np.mean(losses), rel=1e-5)


def test_without_mixtures_it_is_the_plain_softmax():
    queries, items = vectors(5, 8)
    settings = {"temperature": 0.3, "log_q": torch.linspace(-2, 0, 8)}
    plain = retrieval_softmax(queries, items, **settings)
    torch.testing.assert_close(softmax_with_mixed_negatives(queries, items, count=0, **settings), plain)


def test_alpha_is_within_its_ends_and_drawn_anew():
    queries, items = vectors(1, 2)

    def loss(low, high):
        return float(softmax_with_mixed_negatives(queries, items, count=1, low=low, high=high, metric="ip"))

    ends = sorted([loss(0.4, 0.4), loss(0.6, 0.6)])
    drawn = {loss(0.4, 0.6) for _ in range(20)}
    assert len(drawn) > 10
    assert ends[0] <= min(drawn)
    assert max(drawn) <= ends[1]


def test_fewer_columns_than_mixtures():
    assert softmax_with_mixed_negatives(*vectors(2, 3), count=100).isfinite()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"metric": "l2"}, r"metric \(='l2'\) has no mixed negatives"),
        ({"count": -1}, r"count \(=-1\) of mixed negatives"),
        ({"low": 0.7}, r"low \(=0.7\) and high \(=0.6\) must be 0 to 1"),
        ({"high": 1.0}, "high below 1"),
        ({"temperature": 0.0}, r"temperature \(=0.0\) must be greater than 0"),
    ],
)
def test_values_out_of_range(changes, message):
    with pytest.raises(ValueError, match=message):
        softmax_with_mixed_negatives(*vectors(2, 3), **changes)
