from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from poeem.functional.pq import assign_codes, decode_codes, split


def test_encoding_a_decoded_vector_gives_the_code_back():
    g = torch.Generator().manual_seed(0)
    books = torch.randn(4, 16, 3, generator=g)
    codes = torch.randint(0, 16, (200, 4), generator=g)
    assert torch.equal(assign_codes(decode_codes(codes, books), books), codes)


def test_decodes_as_numpy_would():
    g = torch.Generator().manual_seed(0)
    books, codes = torch.randn(3, 8, 2, generator=g), torch.randint(0, 8, (50, 3), generator=g)
    expected = np.concatenate([books.numpy()[m][codes.numpy()[:, m]] for m in range(3)], axis=1)
    np.testing.assert_array_equal(decode_codes(codes.to(torch.uint8), books).numpy(), expected)


def test_decoding_sends_its_gradient_to_the_codewords_used():
    books = torch.zeros(2, 3, 1, requires_grad=True, dtype=torch.float64)
    codes = torch.tensor([[0, 2], [0, 1]])
    (decode_codes(codes, books) * torch.tensor([[1.0, 10.0], [2.0, 20.0]])).sum().backward()
    assert books.grad.flatten().tolist() == [3.0, 0.0, 0.0, 0.0, 20.0, 10.0]


def test_split_is_a_view():
    x = torch.arange(12.0).view(2, 6)
    assert split(x, 3).shape == (2, 3, 2)
    assert split(x, 3).data_ptr() == x.data_ptr()


def test_refuses_another_width():
    with pytest.raises(ValueError, match=re.escape("residuals (shape (5, 7)) must be (..., 6)")):
        assign_codes(torch.zeros(5, 7), torch.zeros(2, 4, 3))
