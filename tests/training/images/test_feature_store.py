import numpy as np
import pytest
from torch import nn

from poeem.training.images.feature_store import stored_features

FIRST, SECOND = nn.Linear(2, 2), nn.Linear(2, 2)


def test_features_are_computed_once_for_each_backbone_and_set_of_images(tmp_path):
    calls = []

    def compute(pixels):
        calls.append(len(pixels))
        return pixels.reshape(len(pixels), -1).astype(np.float32)

    pixels = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 1), dtype=np.uint8)
    first = stored_features(tmp_path / "new", pixels, FIRST, compute)
    assert np.array_equal(stored_features(tmp_path / "new", pixels, FIRST, compute), first)
    assert calls == [5]
    stored_features(tmp_path / "new", pixels, SECOND, compute)
    changed = stored_features(tmp_path / "new", pixels + 1, FIRST, compute)
    assert calls == [5, 5, 5]
    assert not np.array_equal(changed, first)
    assert len(list((tmp_path / "new").iterdir())) == 3


@pytest.mark.parametrize("content", [b"", b"text", None])
def test_a_damaged_file_is_refused(tmp_path, content):
    pixels = np.zeros((3, 8, 8, 1), np.uint8)
    stored_features(tmp_path, pixels, FIRST, lambda pixels: np.zeros((3, 2), np.float32))
    (path,) = tmp_path.iterdir()
    if content is None:
        np.save(path, np.zeros((2, 2), np.float32))
    else:
        path.write_bytes(content)
    with pytest.raises(ValueError, match="delete the file"):
        stored_features(tmp_path, pixels, FIRST, lambda pixels: np.zeros((3, 2), np.float32))
