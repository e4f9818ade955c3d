from __future__ import annotations

import numpy as np
import pytest
import torch

from poeem.functional.adc import adc_scores, adc_tables
from poeem.functional.pq import decode_codes


@pytest.mark.parametrize("metric", ["ip", "l2"])
def test_looked_up_scores_are_the_scores_of_decoded_vectors(metric):
    g = torch.Generator().manual_seed(0)
    queries, books = torch.randn(5, 12, generator=g), torch.randn(4, 8, 3, generator=g)
    codes = torch.randint(0, 8, (30, 4), generator=g)
    q, x_hat = queries.numpy().astype(np.float64), decode_codes(codes, books).numpy().astype(np.float64)
    expected = q @ x_hat.T if metric == "ip" else ((q[:, None] - x_hat) ** 2).sum(-1)
    tables = adc_tables(queries, books, metric)
    assert tables.shape == (5, 4, 8)
    np.testing.assert_allclose(adc_scores(tables, codes).numpy(), expected, rtol=1e-5, atol=1e-5)


def test_l2_of_a_query_on_its_word_is_zero():
    books = torch.full((1, 2, 1), 1e4)
    assert adc_tables(torch.tensor([[1e4]]), books, "l2").max() == 0


def test_scoring_leaves_the_tables_alone():
    tables = torch.rand(2, 3, 4)
    kept = tables.clone()
    adc_scores(tables, torch.zeros(1, 3, dtype=torch.int64))
    assert torch.equal(tables, kept)


def test_refuses_another_metric():
    with pytest.raises(ValueError, match="for cosine normalise the queries"):
        adc_tables(torch.zeros(1, 2), torch.zeros(1, 2, 2), "cosine")
