import numpy as np
import pytest
import torch

from poeem.losses.retrieval_softmax import retrieval_softmax


def score(metric, query, item):
    """What an engine says, larger is better."""
    if metric == "cosine":
        query = query / np.linalg.norm(query)
    return -np.sum((query - item) ** 2) if metric == "l2" else query @ item


def oracle(queries, items, target, *, temperature, metric, log_q=None, item_ids=None):
    total = 0.0
    for i, t in enumerate(target):
        logits = {
            j: score(metric, queries[i], items[j]) / temperature - (0 if log_q is None else log_q[j])
            for j in range(len(items))
            if j == t or item_ids is None or item_ids[j] != item_ids[t]
        }
        total -= np.log(np.exp(logits[t]) / np.sum(np.exp(list(logits.values()))))
    return total / len(target)


def problem(n=6, m=9, dim=4):
    g = torch.Generator().manual_seed(1)
    queries, items = (torch.randn(size, dim, generator=g, dtype=torch.float64) for size in (n, m))
    target, ids = torch.randint(m, (n,), generator=g), torch.randint(4, (m,), generator=g)
    return queries, items, target, torch.rand(m, generator=g, dtype=torch.float64).log(), ids


@pytest.mark.parametrize("metric", ["ip", "cosine", "l2"])
@pytest.mark.parametrize("corrected", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_equals_the_oracle(metric, corrected, masked):
    queries, items, target, log_q, ids = problem()
    options = {"log_q": log_q if corrected else None, "item_ids": ids if masked else None}
    found = retrieval_softmax(queries, items, target, temperature=0.5, metric=metric, **options)
    arrays = {name: None if value is None else value.numpy() for name, value in options.items()}
    expected = oracle(queries.numpy(), items.numpy(), target.numpy(), temperature=0.5, metric=metric, **arrays)
    assert found.item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("metric", ["ip", "cosine", "l2"])
def test_gradients(metric):
    queries, items, target, log_q, ids = problem()
    assert torch.autograd.gradcheck(
        lambda q, x: retrieval_softmax(q, x, target, temperature=0.5, metric=metric, log_q=log_q, item_ids=ids),
        [queries.requires_grad_(), items.requires_grad_()],
    )


def test_cosine_leaves_items_as_they_are_unless_told():
    queries, items, target, *_ = problem()
    as_they_are = retrieval_softmax(queries, items, target)
    assert as_they_are != retrieval_softmax(queries, 2 * items, target)
    unit = retrieval_softmax(queries, torch.nn.functional.normalize(items), target)
    torch.testing.assert_close(retrieval_softmax(queries, 2 * items, target, normalize_items=True), unit)
    torch.testing.assert_close(retrieval_softmax(3 * queries, items, target), as_they_are)


def test_log_q_makes_sampled_columns_estimate_the_whole_softmax():
    # Columns sampled with replacement by q: sum over the sample of exp(s_j) / (n q_j) estimates sum_j exp(s_j).
    g = torch.Generator().manual_seed(0)
    catalogue, q = torch.randn(50, 4, generator=g), torch.rand(50, generator=g) ** 3 + 1e-3
    q /= q.sum()
    query, sample = torch.randn(1, 4, generator=g), torch.multinomial(q, 20000, replacement=True, generator=g)
    columns, target = catalogue[sample], torch.tensor([0])
    full = retrieval_softmax(query, catalogue, sample[:1], metric="ip", temperature=1.0)
    sampled = retrieval_softmax(query, columns, target, metric="ip", temperature=1.0, log_q=q[sample].log())
    # The constant of the sample's size stays in both, and is subtracted with the positive's own correction.
    estimate = sampled - np.log(len(sample)) - q[sample[0]].log()
    assert estimate.item() == pytest.approx(full.item(), abs=0.05)


def test_in_batch_default_target():
    queries, items, *_ = problem()
    explicit = retrieval_softmax(queries, items, torch.arange(len(queries)))
    assert retrieval_softmax(queries, items) == explicit


def test_computes_in_float32_under_autocast():
    queries, items, target, *_ = (x.float() if x.is_floating_point() else x for x in problem())
    expected = retrieval_softmax(queries, items, target)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = retrieval_softmax(queries, items, target)
    assert found.dtype == torch.float32
    assert found == expected
    assert retrieval_softmax(queries.bfloat16(), items.bfloat16(), target).dtype == torch.float32


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"metric": "dot"}, r"metric \(='dot'\) must be one of 'ip', 'l2', 'cosine'"),
        ({"temperature": 0.0}, r"temperature \(=0.0\) must be greater than 0"),
        ({"queries": torch.zeros(3)}, r"queries must be float, \(n, dim\), n > 0, not torch.float32, \(3,\)"),
        ({"queries": torch.zeros(0, 4)}, r"n > 0"),
        ({"items": torch.zeros(9, 5)}, r"items must be float, \(m, dim=4\) as queries, not torch.float32, \(9, 5\)"),
        ({"items": torch.zeros(9, 4).long()}, r"items must be float"),
        ({"target": None, "items": torch.zeros(2, 4)}, r"items has 2 rows for 6 queries; pass target"),
        ({"target": torch.zeros(5).long()}, r"target must have shape \(6,\), not \(5,\)"),
        ({"target": torch.zeros(6)}, r"target must be int64, not torch.float32; use target.long\(\)"),
        ({"target": torch.full((6,), 9)}, r"target must be in \[0, 9\), not 9 to 9"),
        ({"item_ids": torch.zeros(6).long()}, r"item_ids must have shape \(9,\), not \(6,\)"),
        ({"log_q": torch.zeros(9).long()}, r"log_q must be float, natural logarithms, not torch.int64"),
        ({"metric": "ip", "normalize_items": True}, r"normalize_items=True goes with metric='cosine' only"),
    ],
)
def test_refuses_what_does_not_fit(change, message):
    arguments = {"queries": torch.zeros(6, 4), "items": torch.zeros(9, 4), "target": torch.zeros(6).long()} | change
    with pytest.raises(ValueError, match=message):
        retrieval_softmax(arguments.pop("queries"), arguments.pop("items"), arguments.pop("target"), **arguments)


def test_leading_dimensions_are_rows():
    generator = torch.Generator().manual_seed(0)
    queries, items = (torch.randn(2, 3, 4, generator=generator) for _ in range(2))
    ids, log_q = torch.tensor([[0, 1, 2], [0, 3, 4]]), torch.randn(2, 3, generator=generator)
    shaped = retrieval_softmax(queries, items, log_q=log_q, item_ids=ids)
    flat = retrieval_softmax(queries.reshape(6, 4), items.reshape(6, 4), log_q=log_q.flatten(), item_ids=ids.flatten())
    assert torch.equal(shaped, flat)
    target = torch.tensor([[0, 5, 2], [1, 1, 4]])
    shaped = retrieval_softmax(queries, items, target)
    assert torch.equal(shaped, retrieval_softmax(queries.reshape(6, 4), items.reshape(6, 4), target.flatten()))
