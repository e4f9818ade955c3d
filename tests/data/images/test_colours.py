"""Brightness, contrast and saturation against Pillow; hue against the standard library's YIQ."""

import colorsys

import numpy as np
import pytest
import torch

from poeem.data.images.colours import change_colours, change_levels

ImageEnhance = pytest.importorskip("PIL.ImageEnhance")
Image = pytest.importorskip("PIL.Image")
# Pillow rounds to 1/255 after each operation, and the mean brightness too.
ROUNDING = 2.5 / 255


def picture(channels):
    shape = (9, 7, 3) if channels == 3 else (9, 7)
    return np.random.default_rng(channels).integers(40, 190, shape, dtype=np.uint8)


def as_tensor(pixels):
    return torch.from_numpy(np.array(pixels)).view(9, 7, -1).permute(2, 0, 1)[None] / 255


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("brightness", "contrast"), [(0.7, 1.0), (1.0, 0.5), (1.3, 1.4)])
def test_levels_are_those_of_pillow(channels, brightness, contrast):
    pixels = picture(channels)
    expected = ImageEnhance.Brightness(Image.fromarray(pixels)).enhance(brightness)
    expected = as_tensor(ImageEnhance.Contrast(expected).enhance(contrast))
    found = change_levels(as_tensor(pixels), torch.tensor([brightness]), torch.tensor([contrast]))
    torch.testing.assert_close(found, expected, atol=ROUNDING, rtol=0)


@pytest.mark.parametrize("saturation", [0.0, 0.6, 1.0, 1.4])
def test_saturation_is_that_of_pillow(saturation):
    pixels = picture(3)
    expected = as_tensor(ImageEnhance.Color(Image.fromarray(pixels)).enhance(saturation))
    found = change_colours(as_tensor(pixels), torch.tensor([saturation]), torch.zeros(1))
    torch.testing.assert_close(found, expected, atol=ROUNDING, rtol=0)


def test_a_hue_turns_in_the_plane_of_yiq():
    angle = 0.8
    colours = np.random.default_rng(0).uniform(0.4, 0.6, (5, 3))
    found = change_colours(torch.from_numpy(colours.T[None, :, :, None]), torch.ones(1), torch.tensor([angle]))
    for before, after in zip(colours, found[0, :, :, 0].T.numpy()):
        (y, i, q), (new_y, new_i, new_q) = colorsys.rgb_to_yiq(*before), colorsys.rgb_to_yiq(*after)
        # The library's constants have two digits.
        assert new_y == pytest.approx(y, abs=2e-3)
        assert complex(new_i, new_q) == pytest.approx(complex(i, q) * np.exp(1j * angle), abs=5e-3)
