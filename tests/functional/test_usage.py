from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import entropy

from poeem.functional.usage import count_codes, dead_share, imbalance_factor, perplexity


def test_counts_as_numpy_would():
    codes = torch.randint(0, 7, (500, 3), generator=torch.Generator().manual_seed(0))
    expected = np.stack([np.bincount(codes[:, m].numpy(), minlength=7) for m in range(3)])
    np.testing.assert_array_equal(count_codes(codes, 7).numpy(), expected)


def test_perplexity_is_the_exponential_of_scipys_entropy():
    counts = np.random.default_rng(0).integers(0, 20, (4, 16))
    expected = np.exp(entropy(counts, axis=1)).mean()
    assert perplexity(torch.from_numpy(counts)).item() == pytest.approx(expected, rel=1e-6)


def test_the_extremes():
    even, one, none = torch.full((2, 8), 5), torch.tensor([[9, 0, 0, 0]]), torch.zeros(1, 4, dtype=torch.int64)
    assert perplexity(even).item() == pytest.approx(8)
    assert perplexity(one).item() == pytest.approx(1)
    assert perplexity(none).item() == 0
    assert (dead_share(even), dead_share(one), dead_share(none)) == (0, 0.75, 1)
    assert imbalance_factor(torch.full((8,), 5)).item() == pytest.approx(1)
    assert imbalance_factor(one[0]).item() == pytest.approx(4)
    assert imbalance_factor(none[0]).item() == 0
