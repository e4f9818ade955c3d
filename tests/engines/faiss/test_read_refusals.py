"""Faiss indexes and files that cannot be read back."""

from __future__ import annotations

import faiss
import numpy as np
import pytest

from poeem.engines.faiss.read import from_faiss
from tests.engines.faiss.stock import DIM, ROWS, trained, vectors


def empty(factory):
    index = trained(factory)
    index.reset()
    return index


def twice():
    index = trained("IVF8,PQ4np")
    index.add_with_ids(vectors(1), np.array([5]))
    return index


def stretched():
    index = trained("OPQ4,PQ4np")
    transform = faiss.downcast_VectorTransform(index.chain.at(0))
    faiss.copy_array_to_vector(faiss.vector_to_array(transform.A) * np.float32(1.01), transform.A)
    return index


def l1():
    index = faiss.IndexPQ(DIM, 4, 4, faiss.METRIC_L1)
    index.train(vectors())
    index.add(vectors())
    return index


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: faiss.index_factory(DIM, "PQ4np"), r"its IndexPQ is not trained; call train\(\)"),
        (lambda: empty("PQ4np"), "holds no rows; add the items first"),
        (lambda: empty("IVF8,PQ4np"), "holds no rows; add the items first"),
        (lambda: trained("PCA8,PQ4np"), "its transform .* changes the width from 16 to 8; apply it"),
        (lambda: trained("PCA16,PQ4np"), "moves the origin; centre the vectors first"),
        (stretched, r"is not orthonormal: max\|A A.T - I\| is 2.0e-02"),
        (lambda: trained("ITQ16,PQ4np"), "its transform ITQTransform is no rotation"),
        (lambda: trained("Flat"), "it is a IndexFlat; codebooks are read from"),
        (lambda: trained("IVF8,PQ4+4"), "it is a IndexIVFPQR; codebooks are read from"),
        (lambda: trained("LSQ3x4"), "it is a IndexLocalSearchQuantizer"),
        (lambda: trained("OPQ8,IVF8,PQ8x4fs"), r"by_residual=False\).*PQ<M>x4fsr in place of"),
        (lambda: trained("L2norm,PQ4np"), "normalised vectors by L2.*build it with METRIC_INNER_PRODUCT"),
        (l1, r"metric_type \(=2\) is neither L2 nor inner product"),
        (lambda: trained("PQ4x9np", rows=600), r"nbits=9; build it with 4 to 8"),
        (lambda: trained("RQ2x4_1x6"), r"different numbers of bits \(\[4, 4, 6\]\)"),
        (twice, r"ids must be unique: 5 is there more than once.*in several lists, or added again"),
        (lambda: faiss.IndexBinaryFlat(16), "must be a faiss index or the path of its file, not IndexBinaryFlat"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_mend(make, message):
    with pytest.raises(ValueError, match=message):
        from_faiss(make())


def test_files_that_are_none_are_refused(tmp_path):
    file = tmp_path / "x.faiss"
    with pytest.raises(FileNotFoundError, match=r"no faiss file at .*x.faiss"):
        from_faiss(file)
    file.write_bytes(b"something else")
    with pytest.raises(ValueError, match=r"x.faiss' is no faiss index, or a damaged one"):
        from_faiss(file)
    faiss.write_index(trained("OPQ4,IVF8,PQ4np"), str(file))
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"x.faiss' is no faiss index, or a damaged one"):
        from_faiss(file)
    faiss.write_index(trained("Flat"), str(file))
    with pytest.raises(ValueError, match=r"x.faiss': it is a IndexFlatL2;"):
        from_faiss(file)


def test_a_map_that_points_outside_is_damaged():
    mapped = faiss.IndexIDMap(empty("PQ4np"))
    mapped.add_with_ids(vectors(), np.arange(ROWS))
    mapped.id_map.resize(5)
    with pytest.raises(ValueError, match="its id map has 5 entries, but its rows point to 0 to 599"):
        from_faiss(mapped)
