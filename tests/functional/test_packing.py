from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from poeem.functional.packing import pack_codes, packed_width, unpack_codes


def oracle(codes, nbits):
    """One big integer a row, written bit by bit."""
    rows = []
    for row in codes.tolist():
        stream = sum(word << (m * nbits) for m, word in enumerate(row))
        rows.append(list(stream.to_bytes(packed_width(len(row), nbits), "little")))
    return np.array(rows, dtype=np.uint8).reshape(len(codes), packed_width(codes.shape[1], nbits))


@given(st.integers(4, 8), st.integers(1, 40), st.integers(0, 5), st.integers(0, 2**32 - 1))
def test_packing_equals_a_bit_by_bit_oracle_and_comes_back(nbits, M, n, seed):
    codes = np.random.default_rng(seed).integers(0, 2**nbits, (n, M), dtype=np.uint8)
    packed = pack_codes(codes, nbits)
    np.testing.assert_array_equal(packed, oracle(codes, nbits))
    np.testing.assert_array_equal(unpack_codes(packed, M, nbits), codes)


@pytest.mark.parametrize("nbits", [4, 5, 6, 7, 8])
@pytest.mark.parametrize("M", [1, 3, 8, 12])
def test_packing_equals_what_faiss_stores(nbits, M):
    faiss = pytest.importorskip("faiss")
    rng = np.random.default_rng(nbits)
    pq = faiss.ProductQuantizer(M * 2, M, nbits)
    books = rng.standard_normal((M, 2**nbits, 2)).astype("float32")
    faiss.copy_array_to_vector(books.ravel(), pq.centroids)
    codes = rng.integers(0, 2**nbits, (20, M))
    vectors = books[np.arange(M), codes].reshape(20, M * 2)
    np.testing.assert_array_equal(pack_codes(codes, nbits), pq.compute_codes(vectors))


@pytest.mark.parametrize(
    ("codes", "nbits", "message"),
    [
        (np.array([[16]]), 4, r"codes hold 16 to 16, outside \[0, 16\) for nbits=4"),
        (np.array([[-1]]), 8, r"outside \[0, 256\)"),
        (np.array([[0.5]]), 8, "must be integers of shape"),
        (np.array([1, 2]), 8, r"shape \(n, M\)"),
        (np.array([[1]]), 9, r"nbits \(=9\) must be"),
    ],
)
def test_what_cannot_be_packed_is_refused(codes, nbits, message):
    with pytest.raises(ValueError, match=message):
        pack_codes(codes, nbits)


def test_damaged_packed_codes_are_refused():
    with pytest.raises(ValueError, match=r"must be uint8 of shape \(n, 3\)"):
        unpack_codes(np.zeros((2, 2), np.uint8), M=4, nbits=6)
    with pytest.raises(ValueError, match="unused bits set"):
        unpack_codes(np.array([[0, 16]], np.uint8), M=2, nbits=6)
