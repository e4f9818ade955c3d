import pytest
import torch

from poeem.data.images.augment import RandomViews


@pytest.mark.parametrize("channels", [1, 3])
def test_views_differ_by_image_and_by_call_and_follow_the_seed(channels):
    image = torch.rand(1, channels, 16, 16, generator=torch.Generator().manual_seed(0)).expand(6, -1, -1, -1)
    views = RandomViews(channels, 16, crop=0.5, jitter=0.4)
    torch.manual_seed(3)
    first, second = views(image), views(image)
    torch.manual_seed(3)
    assert torch.equal(views(image), first)
    assert first.shape == image.shape
    assert 0 <= float(first.min()) <= float(first.max()) <= 1
    assert not torch.allclose(first, second)
    assert not torch.allclose(first[0], first[1])


def test_without_crop_jitter_and_flip_nothing_changes():
    image = torch.rand(2, 1, 8, 8)
    assert torch.equal(RandomViews(1, 8, crop=1.0, jitter=0.0, flip=False)(image), image)


def test_a_crop_keeps_its_share_of_the_area():
    # A ramp from left to right: its range within a view is the share of the width.
    ramp = torch.linspace(0, 1, 32).expand(200, 1, 32, 32)
    views = RandomViews(1, 32, crop=0.25, jitter=0.0, flip=False)(ramp)
    widths = views.amax((1, 2, 3)) - views.amin((1, 2, 3))
    # The width is sqrt(area * ratio), with an area above 0.25 and a ratio of 3/4 or more.
    assert float(widths.min()) > (0.25 * 0.75) ** 0.5 - 0.1
    assert float(widths.max()) > 0.8


@pytest.mark.parametrize(
    ("change", "message"), [({"crop": 0.0}, r"crop \(=0.0\) must be above 0"), ({"jitter": 2.0}, r"jitter \(=2.0\)")]
)
def test_refuses_what_is_out_of_range(change, message):
    with pytest.raises(ValueError, match=message):
        RandomViews(1, 16, **{"crop": 0.5, "jitter": 0.4} | change)
