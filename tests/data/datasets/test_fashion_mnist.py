import gzip
import io
import tarfile

import numpy as np
import pytest

from poeem.data.datasets import IMAGE_SETS, fashion_mnist, load_images


def idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


@pytest.fixture
def archive(tmp_path):
    rng, tar = np.random.default_rng(0), io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w:xz") as files:
        for part, n in (("train", 5), ("t10k", 2)):
            images, labels = rng.integers(0, 256, (n, 4, 4), np.uint8), np.arange(n, dtype=np.uint8)
            for name, array in (("images-idx3", images), ("labels-idx1", labels)):
                content = gzip.compress(idx(array))
                info = tarfile.TarInfo(f"{fashion_mnist.FOLDER}/{part}-{name}-ubyte.gz")
                info.size = len(content)
                files.addfile(info, io.BytesIO(content))
    members = [("debian-binary", b"2.0"), ("data.tar.xz", tar.getvalue())]  # the first has an odd length
    content = b"!<arch>\n"
    for name, body in members:
        content += (
            f"{name:16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(body):<10}`\n".encode() + body + b"\n" * (len(body) % 2)
        )
    path = tmp_path / "fm.deb"
    path.write_bytes(content)
    return path


def test_training_images_are_the_gallery_and_test_images_the_queries(archive):
    images = fashion_mnist.read_archive(archive)
    assert images.pixels.shape == (7, 4, 4, 1)
    assert images.labels.tolist() == [0, 1, 2, 3, 4, 0, 1]
    assert images.gallery.tolist() == [0, 1, 2, 3, 4]
    assert [images.names[row] for row in images.queries] == ["test/0", "test/1"]
    assert np.array_equal(images.pixels[:5, ..., 0], np.random.default_rng(0).integers(0, 256, (5, 4, 4), np.uint8))


def test_another_package_is_refused(tmp_path):
    (tmp_path / "x.deb").write_bytes(b"!<arch>\n")
    with pytest.raises(RuntimeError, match=r"has no data\.tar\.xz"):
        fashion_mnist.read_archive(tmp_path / "x.deb")


def test_unknown_set():
    with pytest.raises(ValueError, match=r"dataset of images \(='cifar'\) must be one of fashion-mnist"):
        load_images("cifar")


@pytest.mark.data
def test_as_published():
    images = fashion_mnist.load(IMAGE_SETS["fashion-mnist"].source)
    assert images.pixels.shape == (70_000, 28, 28, 1)
    assert np.bincount(images.labels).tolist() == [7_000] * 10
    assert images.classes[images.labels[0]] == "ankle boot"
