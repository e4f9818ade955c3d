"""The page as a browser shows it: nothing is blank, dark screens are dark, small screens need no scrolling aside."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from poeem.layers.embedding_index import EmbeddingIndex
from poeem.report.build import build_report
from tests.report.screenshots import BROWSER, screenshot

Image = pytest.importorskip("PIL.Image")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(BROWSER is None, reason="needs Chromium")]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    x = torch.randn(300, 8, generator=torch.Generator().manual_seed(0))
    layer = EmbeddingIndex(8, "IVF8,PQ2x4", metric="l2")
    layer.warm_start(x)
    layer.eval().bundle(np.arange(300), x, folder / "bundle")
    (folder / "page.html").write_text(build_report(folder / "bundle"), encoding="utf-8")
    return folder / "page.html"


def pixels(page, tmp_path, **options) -> np.ndarray:
    screenshot(page, tmp_path / "x.png", height=900, **options)
    return np.asarray(Image.open(tmp_path / "x.png").convert("RGB")).astype(int)


def test_light_and_dark(page, tmp_path):
    light, dark = pixels(page, tmp_path, width=1000), pixels(page, tmp_path, width=1000, dark=True)
    assert light.mean() > 200
    assert dark.mean() < 60
    for shown in (light, dark):
        # Bars and dots in the colour of the series: blue is the largest part.
        coloured = (shown[..., 2] - shown[..., 0]) > 60
        assert 0.02 < coloured.mean() < 0.6


def test_a_small_screen_shows_everything_within_its_width(page, tmp_path):
    narrow = pixels(page, tmp_path, width=500)
    # The margin at the right is empty.
    assert (narrow[:, -8:] == narrow[0, 0]).all()
    assert narrow.std() > 10
