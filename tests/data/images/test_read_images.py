import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from poeem.data.images import decode
from poeem.data.images.decode import open_image, to_file, to_pixels
from poeem.data.images.image_set import ImageSet, split_queries
from poeem.data.images.read_images import read_image_files, read_images

Image = pytest.importorskip("PIL.Image")


def picture(size=(20, 20), mode="RGB", colour=(200, 10, 10)):
    return Image.new(mode, size, colour)


@pytest.fixture
def folder(tmp_path):
    """Two classes, with files of several formats and sizes."""
    path = tmp_path / "pictures"
    for name in ("red", "blue"):
        (path / name).mkdir(parents=True)
    picture((40, 30)).save(path / "red" / "a.jpg", quality=95)
    picture((9, 50)).save(path / "red" / "b.PNG")
    picture(colour=(0, 0, 250)).save(path / "blue" / "c.webp", lossless=True)
    (path / "blue" / "notes.txt").write_text("no image")
    (path / "blue" / ".hidden.png").write_bytes(b"no image")
    return path


def test_class_folders(folder):
    images = read_images(folder)
    assert list(images.names) == ["blue/c.webp", "red/a.jpg", "red/b.PNG"]
    assert images.pixels.shape == (3, 32, 32, 3)
    assert [images.classes[label] for label in images.labels] == ["blue", "red", "red"]
    assert np.abs(images.pixels[1].astype(int) - [200, 10, 10]).max() < 6
    assert images.pixels[0].reshape(-1, 3).tolist() == [[0, 0, 250]] * 1024


def test_flat_folder_has_no_classes(folder):
    picture().save(folder / "beside.png")
    assert read_images(folder).labels is None
    assert read_images(folder / "red").labels is None


def test_grey_images_of_one_small_size_stay_as_they_are(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (28, 28), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    images = read_images(tmp_path)
    assert np.array_equal(images.pixels, pixels[None, ..., None])
    assert read_images(tmp_path, size=14).pixels.shape == (1, 14, 14, 1)


def test_unreadable_files_are_listed_and_left_out(folder, monkeypatch):
    (folder / "red" / "text.jpg").write_text("no image")
    (folder / "red" / "empty.png").write_bytes(b"")
    whole = (folder / "red" / "a.jpg").read_bytes()
    (folder / "red" / "half.jpg").write_bytes(whole[: len(whole) // 2])
    picture((300, 300)).save(folder / "red" / "huge.png")
    monkeypatch.setattr(decode, "MAX_PIXELS", 80_000)
    lines = []
    images = read_images(folder, log=lines.append)
    assert len(images) == 3
    assert sorted(line.split(":")[0] for line in lines) == [
        f"skipped red/{name}" for name in ("empty.png", "half.jpg", "huge.png", "text.jpg")
    ]
    assert "has 90,000 pixels; there must be some, and at most 80,000" in " ".join(lines)
    assert len(images.skipped) == 4


def test_a_decompression_bomb_is_refused_by_its_header():
    # A PNG header that claims 60,000 x 60,000 pixels.
    import struct
    import zlib

    chunks = [b"IHDR" + struct.pack(">IIBBBBB", *side, 8, 2, 0, 0, 0) for side in ((60_000, 60_000), (11_000, 11_000))]
    for chunk in chunks:
        parts = [chunk, b"IDAT" + zlib.compress(b"")]
        bomb = b"\x89PNG\r\n\x1a\n" + b"".join(
            struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part)) for part in parts
        )
        with pytest.raises(decode.Unreadable, match="at most 100,000,000"):
            open_image(bomb)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.mkdir(), "holds no image; names must end in .jpg"),
        (lambda path: (path.mkdir(), (path / "a.png").write_text("x")), "none of the 1 images can be read; the first"),
        (lambda path: None, "no such file or folder; give a folder of"),
        (lambda path: path.write_text("x"), "cannot be read as images"),
    ],
)
def test_refuses_a_place_without_images(tmp_path, make, message):
    path = tmp_path / "video.mp4"
    make(path)
    with pytest.raises(ValueError, match=message):
        read_images(path)


def test_npz(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 28, 28), np.uint8)
    np.savez(tmp_path / "a.npz", images=pixels, labels=np.array(["b", "a", "b", "a", "a"]))
    images = read_images(tmp_path / "a.npz")
    assert np.array_equal(images.pixels[..., 0], pixels)
    assert (images.labels.tolist(), images.classes) == ([1, 0, 1, 0, 0], ["a", "b"])
    np.savez(tmp_path / "b.npz", images=np.zeros((2, 100, 50, 3), np.uint8))
    assert read_images(tmp_path / "b.npz").pixels.shape == (2, 32, 32, 3)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.zeros(3)}, r"array 'images' is missing \(found: x\)"),
        ({"images": np.zeros((3, 4, 4))}, r"must be uint8, .* not float64, \(3, 4, 4\)"),
        ({"images": np.zeros((3, 0, 4), np.uint8)}, "hold no pixels"),
        ({"images": np.zeros((3, 9, 9), np.uint8), "labels": np.zeros(2)}, r"'labels' \(shape \(2,\)\) must be \(3,\)"),
    ],
)
def test_npz_that_does_not_fit(tmp_path, arrays, message):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(ValueError, match=message):
        read_images(tmp_path / "a.npz")


def test_damaged_npz(tmp_path):
    (tmp_path / "a.npz").write_bytes(b"PK\3\4 damaged")
    with pytest.raises(ValueError, match=r"cannot be read as \.npz"):
        read_images(tmp_path / "a.npz")


@pytest.mark.parametrize("nested", [False, True])
def test_parquet(tmp_path, nested):
    pixels = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), np.uint8)
    files = [to_file(image) for image in pixels] + [b"damaged"]
    column = [{"bytes": file, "path": None} for file in files] if nested else files
    table = pa.table({"image": column, "label": [4, 2, None, 4], "id": ["a", "b", "c", "d"]})
    pq.write_table(table, tmp_path / "a.parquet")
    lines = []
    images = read_images(tmp_path / "a.parquet", log=lines.append)
    assert np.array_equal(images.pixels, pixels)
    assert (images.labels.tolist(), images.classes) == ([1, 0, -1], ["2", "4"])
    assert (list(images.names), len(lines)) == (["a", "b", "c"], 1)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"picture": [b"x"]}, r"column 'image' is missing \(found: picture\)"),
        ({"image": ["a.png"]}, "must hold the bytes of image files, not str"),
        ({"image": [b"x", b"y"], "id": [1, 1]}, "column 'id' must be unique"),
        ({"image": pa.array([], pa.binary())}, "holds no rows"),
    ],
)
def test_parquet_that_does_not_fit(tmp_path, table, message):
    pq.write_table(pa.table(table), tmp_path / "a.parquet")
    with pytest.raises(ValueError, match=message):
        read_images(tmp_path / "a.parquet")


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (picture(mode="RGBA", colour=(9, 9, 9, 0)), 255),  # transparent
        (picture(mode="I;16", colour=256 * 77), 77),
        (picture(mode="LA", colour=(50, 255)), 50),
        (picture(mode="1", colour=1), 255),
    ],
)
def test_modes(image, expected):
    assert to_pixels(image, 4, grey=True).tolist() == [[[expected]] * 4] * 4


def test_a_cameras_rotation_is_applied(tmp_path):
    image = Image.new("RGB", (16, 16), "black")
    image.paste((255, 255, 255), (0, 0, 16, 8))  # white above
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    image.save(tmp_path / "a.png", exif=exif)
    pixels = read_images(tmp_path).pixels
    assert pixels[0, :8].max() == 0
    assert pixels[0, 8:].min() == 255


def test_files_for_a_trained_model(folder):
    (folder / "red" / "bad.png").write_text("x")
    files = sorted((folder / "red").iterdir())
    pixels, read, skipped = read_image_files(files, 12, 1)
    assert pixels.shape == (2, 12, 12, 1)
    assert [path.name for path in read] == ["a.jpg", "b.PNG"]
    assert len(skipped) == 1
    assert "bad.png: is no image of a known format" in skipped[0]


def test_a_fifth_is_queries():
    images = ImageSet(np.zeros((50, 4, 4, 1), np.uint8), [str(i) for i in range(50)])
    rows = split_queries(images, seed=1)
    assert len(rows) == len(set(rows)) == 10
    assert not np.array_equal(rows, split_queries(images, seed=2))


def test_size_is_checked(folder):
    with pytest.raises(ValueError, match=r"size \(=4\) of images must be 8 to 1024 pixels"):
        read_images(folder, size=4)
