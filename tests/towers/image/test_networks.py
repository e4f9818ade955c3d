import pytest
import torch

from poeem.towers.image.networks import NETWORKS, ResidualBlock, network
from poeem.towers.image.tower import ImageTower, as_input


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(("channels", "size"), [(1, 28), (3, 32), (3, 17)])
def test_width_is_that_of_the_features(name, channels, size):
    trunk = network(name, channels=channels, size=size)
    assert trunk(torch.rand(2, channels, size, size)).shape == (2, trunk.width)


def test_resnet18_has_the_parameters_of_the_paper():
    # He et al. count 11.7 million with the 7 x 7 stem and the classifier of ImageNet.
    count = sum(p.numel() for p in network("resnet18", channels=3, size=32).parameters())
    assert count == 11_168_832


def test_residual_block_against_its_formula():
    torch.manual_seed(0)
    block = ResidualBlock(2, 3, 2).eval()
    x = torch.randn(2, 2, 6, 6)
    inner = block.first[0](x) / (1 + 1e-5) ** 0.5  # batch norm with its first statistics
    inner = block.second[0](inner.relu()) / (1 + 1e-5) ** 0.5
    torch.testing.assert_close(block(x), (inner + block.shortcut[0](x) / (1 + 1e-5) ** 0.5).relu())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "vgg", "channels": 1, "size": 28}, r"network \(='vgg'\) must be one of 'strided'"),
        ({"name": "strided", "channels": 1, "size": 4}, r"size \(=4\) of the images must be at least 8"),
    ],
)
def test_refuses_what_does_not_fit(arguments, message):
    with pytest.raises(ValueError, match=message):
        network(arguments.pop("name"), **arguments)


def test_a_frozen_trunk_does_not_change():
    tower = ImageTower(network("strided", channels=1, size=16), 8, frozen=True)
    before = {name: value.clone() for name, value in tower.trunk.state_dict().items()}
    tower.train()
    tower(torch.rand(4, 1, 16, 16)).sum().backward()
    assert all(torch.equal(value, before[name]) for name, value in tower.trunk.state_dict().items())
    assert all(parameter.grad is None for parameter in tower.trunk.parameters())
    assert tower.head[0].weight.grad is not None


def test_pixels_are_brought_to_0_to_1_channels_first():
    pixels = torch.arange(2 * 3 * 3 * 3, dtype=torch.uint8).reshape(2, 3, 3, 3)
    found = as_input(pixels)
    assert found.shape == (2, 3, 3, 3)
    assert float(found[1, 2, 0, 1]) == pytest.approx(int(pixels[1, 0, 1, 2]) / 255)
    assert found.is_contiguous(memory_format=torch.channels_last)
