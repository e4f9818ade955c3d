from __future__ import annotations

import numpy as np
import pytest

from poeem.data.vectors import read_vectors


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_vectors_are_mapped_not_read(tmp_path, dtype):
    np.save(tmp_path / "v.npy", np.arange(6, dtype=dtype).reshape(3, 2))
    vectors = read_vectors(tmp_path / "v.npy", dim=2)
    assert isinstance(vectors, np.memmap)
    assert vectors.dtype == dtype
    assert vectors.tolist() == [[0, 1], [2, 3], [4, 5]]


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.ones((2, 3)), "vectors have 3 columns, the index has dim=2"),
        (np.ones(2), r"must hold floats of shape \(n, dim\), not float64, \(2,\)"),
        (np.ones((2, 2), int), "must hold floats"),
        (np.ones((0, 2)), "holds no rows"),
        (np.array([[{}]], dtype=object), "cannot be read as .npy"),
    ],
)
def test_other_arrays_are_refused(tmp_path, array, message):
    np.save(tmp_path / "v.npy", array, allow_pickle=True)
    with pytest.raises(ValueError, match=message):
        read_vectors(tmp_path / "v.npy", dim=2)


def test_other_files_are_refused(tmp_path):
    (tmp_path / "empty.npy").write_bytes(b"")
    np.savez(tmp_path / "archive.npz", a=np.ones((2, 2)))
    for name, message in {
        "empty.npy": "the file is empty",
        "none.npy": "no such file",
        "archive.npz": "an archive",
    }.items():
        with pytest.raises(ValueError, match=message):
            read_vectors(tmp_path / name)
    with pytest.raises(ValueError, match="is a folder"):
        read_vectors(tmp_path)
