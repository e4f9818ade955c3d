"""The numbering of planes, against numpy's triu_indices."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from poeem.functional.triangle import pack_upper, skew, triangle_dim, unpack_upper, upper_position


@pytest.mark.parametrize("dim", [1, 2, 3, 8])
def test_pack_and_unpack(dim):
    matrix = torch.from_numpy(np.random.default_rng(dim).normal(size=(dim, dim)))
    vector = pack_upper(matrix)
    np.testing.assert_array_equal(vector, matrix.numpy()[np.triu_indices(dim, 1)])
    np.testing.assert_array_equal(unpack_upper(vector), np.triu(matrix.numpy(), 1))
    np.testing.assert_array_equal(skew(vector), np.triu(matrix.numpy(), 1) - np.triu(matrix.numpy(), 1).T)
    assert triangle_dim(vector) == dim


def test_pack_reads_a_transposed_matrix():
    matrix = torch.arange(9).view(3, 3)
    assert pack_upper(matrix.T).tolist() == [3, 6, 7]


def test_positions_number_the_vector():
    pairs = torch.tensor([(i, j) for i in range(7) for j in range(i + 1, 7)])
    assert upper_position(pairs, 7).tolist() == list(range(21))


def test_skew_is_differentiable():
    vector = torch.ones(3, dtype=torch.float64, requires_grad=True)
    weights = torch.arange(9, dtype=torch.float64).view(3, 3)
    (skew(vector) * weights).sum().backward()
    assert vector.grad is not None
    assert vector.grad.tolist() == [1 - 3, 2 - 6, 5 - 7]


def test_indices_made_in_inference_mode_may_be_used_in_autograd():
    with torch.inference_mode():
        skew(torch.ones(45))
    skew(torch.ones(45, requires_grad=True)).sum().backward()


def test_refuses():
    with pytest.raises(ValueError, match=r"vector \(of shape \(4,\)\).*3 values for dim=3, 6 for dim=4"):
        triangle_dim(torch.zeros(4))
    with pytest.raises(ValueError, match=r"matrix \(of shape \(2, 3\)\) must be square"):
        pack_upper(torch.zeros(2, 3))
