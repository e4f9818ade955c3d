"""Histograms of gradient directions against a loop over pixels in numpy."""

import math

import numpy as np
import pytest

from poeem.data.images.gradients import CELLS, DIRECTIONS, gradient_histograms


def by_loops(image):
    """Mean over each cell of the gradients' lengths, shared between the two nearest directions; then the root."""
    grey = image.astype(np.float64).mean(2) / 255
    n = len(grey)
    sums, side = np.zeros((DIRECTIONS, CELLS, CELLS)), n // CELLS
    for i in range(n):
        for j in range(n):
            across = grey[i, j + 1] - grey[i, j - 1] if 0 < j < n - 1 else 0.0
            down = grey[i + 1, j] - grey[i - 1, j] if 0 < i < n - 1 else 0.0
            place = (math.atan2(down, across) % math.pi) / math.pi * DIRECTIONS
            low = math.floor(place)
            for direction, weight in ((low, low + 1 - place), (low + 1, place - low)):
                sums[direction % DIRECTIONS, i // side, j // side] += weight * math.hypot(across, down)
    return np.sqrt(sums / side**2).ravel()


@pytest.mark.parametrize("channels", [1, 3])
def test_histograms_are_those_of_a_loop(channels):
    images = np.random.default_rng(0).integers(0, 256, (3, 14, 14, channels), dtype=np.uint8)
    expected = np.stack([by_loops(image) for image in images])
    np.testing.assert_allclose(gradient_histograms(images), expected, atol=1e-3)


def test_an_edge_lies_in_the_direction_across_it_whatever_its_sign():
    edges = np.zeros((2, 14, 14, 1), np.uint8)
    edges[0, :, 7:], edges[1, :, :7] = 200, 200
    found = gradient_histograms(edges).reshape(2, DIRECTIONS, CELLS, CELLS)
    np.testing.assert_allclose(found[0], found[1], atol=1e-3)
    assert (found[0, 0] > 0).any()
    assert found[0, 1:].max() < 1e-3
