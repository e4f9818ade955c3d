from __future__ import annotations

import numpy as np
import pytest
import torch

from poeem.functional import nearest
from poeem.functional.nearest import assign_nearest


def squared_distances(x, codewords):
    """float64, by definition: (n, M, dsub), (M, K, dsub) -> (n, M, K)."""
    x, codewords = x.numpy().astype(np.float64), codewords.numpy().astype(np.float64)
    return ((x[:, :, None] - codewords[None]) ** 2).sum(-1)


def assert_nearest(codes, x, codewords):
    """The chosen codeword is within 2^-15 of the nearest, relative, the limit of float32."""
    exact = squared_distances(x, codewords)
    chosen = np.take_along_axis(exact, codes.numpy()[..., None], -1)[..., 0]
    scale = (x.numpy().astype(np.float64) ** 2).sum(-1) + 1e-12
    assert np.all(chosen - exact.min(-1) <= 2**-15 * np.maximum(scale, exact.min(-1)))
    assert np.mean(codes.numpy() == exact.argmin(-1)) > 0.999


@pytest.mark.parametrize("shape", [(1, 1, 1, 2), (7, 3, 5, 16), (700, 2, 8, 256), (300, 1, 64, 1000), (40, 4, 2, 4096)])
def test_takes_the_nearest_codeword(shape):
    n, M, dsub, K = shape
    g = torch.Generator().manual_seed(0)
    x, codewords = torch.randn(n, M, dsub, generator=g), torch.randn(M, K, dsub, generator=g)
    codes = assign_nearest(x, codewords)
    assert codes.shape == (n, M)
    assert codes.dtype == torch.int64
    assert_nearest(codes, x, codewords)


def test_far_from_the_origin_nothing_cancels():
    g = torch.Generator().manual_seed(0)
    offset = torch.tensor([1000.0, -2000.0, 500.0])
    codewords = offset + torch.randn(1, 64, 3, generator=g)
    x = offset + torch.randn(500, 1, 3, generator=g)
    exact = squared_distances(x, codewords)
    chosen = np.take_along_axis(exact, assign_nearest(x, codewords).numpy()[..., None], -1)[..., 0]
    # Without moving to the codewords' mean the error would be about 0.5, as large as the distances.
    assert np.abs(chosen - exact.min(-1)).max() < 1e-3


def test_threads_and_the_device_form_agree_with_one_thread(monkeypatch):
    g = torch.Generator().manual_seed(0)
    x, codewords = torch.randn(3000, 4, 8, generator=g), torch.randn(4, 32, 8, generator=g)
    one = assign_nearest(x, codewords)
    monkeypatch.setattr(nearest, "_ROWS_PER_THREAD", 700)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    assert torch.equal(assign_nearest(x, codewords), one)
    centre = codewords.mean(1)
    centred = codewords - centre[:, None]
    columns = torch.cat([centred.mT, -centred.square().sum(-1)[:, None] / 2], dim=1)
    assert (nearest._nearest_on_device(x - centre, columns) == one).float().mean() > 0.999


def test_ties_go_to_the_lowest_number():
    codewords = torch.tensor([[[1.0], [-1.0], [1.0]]])
    assert assign_nearest(torch.tensor([[[1.0]], [[0.0]], [[-3.0]]]), codewords).flatten().tolist() == [0, 0, 1]


def test_takes_no_rows_and_any_strides():
    codewords = torch.randn(2, 4, 3)
    assert assign_nearest(torch.empty(0, 2, 3), codewords).shape == (0, 2)
    x = torch.randn(3, 2, 5).permute(2, 1, 0)
    assert torch.equal(assign_nearest(x, codewords), assign_nearest(x.contiguous(), codewords))
