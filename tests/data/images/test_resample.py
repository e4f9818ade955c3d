"""Crops against torch's grid_sample, blur against a convolution by numpy."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from poeem.data.images.resample import blur_weights, crop_weights, resample


@pytest.mark.parametrize("channels", [1, 3])
def test_a_crop_is_that_of_grid_sample(channels):
    random = torch.Generator().manual_seed(0)
    images = torch.rand(8, channels, 14, 14, generator=random, dtype=torch.float64)
    share = torch.rand(2, 8, generator=random, dtype=torch.float64) * 0.7 + 0.3
    centre = share / 2 + torch.rand(2, 8, generator=random, dtype=torch.float64) * (1 - share)
    mirror = torch.arange(8) % 2 == 0
    rows = crop_weights(centre[0], share[0], 14)
    columns = crop_weights(centre[1], share[1], 14, mirror=mirror)
    # grid_sample measures from -1 to 1, columns first.
    maps = torch.zeros(8, 2, 3, dtype=torch.float64)
    maps[:, 0, 0], maps[:, 0, 2] = torch.where(mirror, -share[1], share[1]), 2 * centre[1] - 1
    maps[:, 1, 1], maps[:, 1, 2] = share[0], 2 * centre[0] - 1
    grid = F.affine_grid(maps, list(images.shape), align_corners=False)
    expected = F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)
    torch.testing.assert_close(resample(images, rows, columns), expected)


def test_the_whole_window_changes_nothing_and_mirrors():
    image = torch.arange(6.0).view(1, 1, 2, 3).expand(1, 1, 2, 3)
    whole, half = torch.ones(1), torch.full((1,), 0.5)
    rows, columns = crop_weights(half, whole, 2), crop_weights(half, whole, 3, mirror=torch.tensor([True]))
    torch.testing.assert_close(resample(image, rows, columns), image.flip(3))


def test_blur_is_a_convolution_with_a_truncated_gaussian():
    sigma, radius, size = np.array([0.0, 0.7, 2.0]), 2, 11
    signals = np.random.default_rng(0).random((3, size))
    found = torch.einsum("nij,nj->ni", blur_weights(torch.from_numpy(sigma), size, radius), torch.from_numpy(signals))
    for row in (1, 2):
        kernel = np.exp(-(np.arange(-radius, radius + 1) ** 2) / (2 * sigma[row] ** 2))
        # At the borders the weights of the pixels that exist are scaled to 1.
        expected = np.convolve(signals[row], kernel, "same") / np.convolve(np.ones(size), kernel, "same")
        np.testing.assert_allclose(found[row], expected, atol=1e-12)
    np.testing.assert_allclose(found[0], signals[0], atol=1e-12)
