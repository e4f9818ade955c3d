"""Stock faiss indexes read back: faiss itself is the oracle."""

from __future__ import annotations

import os

import faiss
import numpy as np
import pytest
import torch

import poeem
from poeem.engines.export import export
from poeem.engines.faiss.build import build_index
from poeem.engines.faiss.read import from_faiss
from poeem.engines.reference import ReferenceScorer
from poeem.layers.from_arrays import index_from
from poeem.spec import IndexSpec

DIM, ROWS = 16, 600
IP, L2 = faiss.METRIC_INNER_PRODUCT, faiss.METRIC_L2


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def vectors(n=ROWS, seed=0, dim=DIM):
    return np.random.default_rng(seed).standard_normal((n, dim)).astype("float32")


def trained(factory, metric=L2, *, ids=None, rows=ROWS, dim=DIM):
    index = faiss.index_factory(dim, factory, metric)
    _hurry(index)
    index.train(vectors(rows, dim=dim))
    if ids is None:
        index.add(vectors(rows, dim=dim))
    else:
        index.add_with_ids(vectors(rows, dim=dim), ids)
    return index


def _hurry(index):
    """A few iterations will do; without the warning on stderr that k-means wants more rows."""
    inner = faiss.downcast_index(index)
    while isinstance(inner, faiss.IndexPreTransform):
        for i in range(inner.chain.size()):
            transform = faiss.downcast_VectorTransform(inner.chain.at(i))
            if isinstance(transform, faiss.OPQMatrix):
                transform.niter, transform.niter_pq, transform.niter_pq_0 = 2, 2, 2
        inner = faiss.downcast_index(inner.index)
    for part in (getattr(inner, "cp", None), getattr(getattr(inner, "pq", None), "cp", None)):
        if part is not None:
            part.min_points_per_centroid, part.niter = 1, 3


def all_scores(index, queries):
    """Scores of every id, all lists visited: ``(nq, n)`` and the rising ids."""
    inner = faiss.downcast_index(index)
    while not isinstance(inner, faiss.IndexIVF) and hasattr(inner, "index"):
        inner = faiss.downcast_index(inner.index)
    if isinstance(inner, faiss.IndexIVF):
        inner.nprobe = inner.nlist
    scores, ids = index.search(queries, index.ntotal)
    assert (ids >= 0).all()
    order = np.argsort(ids, axis=1)
    return np.take_along_axis(scores, order, axis=1), np.take_along_axis(ids, order, axis=1)


EXACT = [
    ("PQ4np", L2),
    ("PQ4x5np", IP),
    ("PQ4x6np", L2),
    ("PQ4x7np", IP),
    ("OPQ4,PQ4x4np", L2),
    ("OPQ4,PQ4np", IP),
    ("PQ4x4", L2),  # polysemous: the words only have another order
    ("IVF8,PQ4np", L2),
    ("IVF8,PQ4x4np", IP),
    ("OPQ4,IVF8,PQ4np", IP),
    ("OPQ4,IVF8,PQ4x6np", L2),
    ("RR16,OPQ4,IVF8,PQ4x4", L2),
    ("IVF8_HNSW8,PQ4np", L2),
    ("L2norm,OPQ4,PQ4np", IP),
    ("OPQ4,L2norm,IVF8,PQ4x4np", IP),
    ("RQ3x6_Nfloat", L2),
    ("RQ3x5", IP),
    ("IVF8,RQ3x6_Nfloat", L2),
    ("OPQ4,IVF8,RQ3x6_Nfloat", L2),
    ("OPQ4,RQ3x6", IP),
]


@pytest.mark.parametrize(("factory", "metric"), EXACT)
def test_a_stock_index_goes_through_bundle_and_export_unchanged(tmp_path, factory, metric):
    index = trained(factory, metric)
    contents = from_faiss(index)
    bundle = contents.bundle(tmp_path / "bundle")
    assert (bundle.spec, bundle.metric, bundle.dim) == (contents.spec, contents.metric, DIM)
    export(bundle, "faiss", tmp_path / "x.faiss", fastscan=False)
    again = faiss.read_index(str(tmp_path / "x.faiss"))
    queries = vectors(9, seed=1)
    expected, expected_ids = all_scores(index, queries)
    found, ids = all_scores(again, queries)
    np.testing.assert_array_equal(ids, expected_ids)
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max(), rtol=0)
    # and what is read from our own file is, bit for bit, what was written into it
    back = from_faiss(tmp_path / "x.faiss")
    assert back.spec == contents.spec
    assert set(back.arrays) == set(contents.arrays)
    for name, array in contents.arrays.items():
        np.testing.assert_array_equal(back.arrays[name], array)
    for name in ("codes", "ids", "lists"):
        np.testing.assert_array_equal(getattr(back, name), getattr(contents, name))


@pytest.mark.parametrize(
    ("factory", "spec"),
    [
        ("PQ4np", "PQ4"),
        ("RR16,OPQ4,IVF8,PQ4x4np", "OPQ4,IVF8,PQ4x4"),
        ("IVF8,RQ3x6_Nfloat", "IVF8,RQ3x6"),
        ("OPQ4,RQ3x6", "RQ3x6"),
        ("PQ8x4fs", "PQ8x4"),
        ("OPQ8,IVF8,PQ8x4fsr", "OPQ8,IVF8,PQ8x4"),
    ],
)
def test_the_structure_is_named(factory, spec):
    assert from_faiss(trained(factory, L2)).spec == IndexSpec.parse(spec)


@pytest.mark.parametrize("metric", [L2, IP])
@pytest.mark.parametrize("factory", ["PQ4np", "OPQ4,PQ4x6np", "IVF8,PQ4np", "OPQ4,IVF8,PQ4x4np"])
def test_the_codes_are_those_of_faisss_own_encoder(factory, metric):
    """Independently of searching: faiss decodes its own codes, we decode ours."""
    index = trained(factory, metric)
    contents = from_faiss(index)
    oracle = index.sa_decode(index.sa_encode(vectors()))
    scorer = ReferenceScorer(as_bundle(contents))
    np.testing.assert_allclose(scorer.decode(), oracle, atol=1e-5)


def as_bundle(contents):
    from poeem.bundle import Bundle

    return Bundle(
        path=None,
        spec=contents.spec,
        metric=contents.metric,
        dim=contents.dim,
        arrays=contents.arrays,
        ids=contents.ids,
        codes=contents.codes,
        lists=contents.lists,
        columns=None,
        fingerprint="",
        training={},
        files={},
    )


@pytest.mark.parametrize("rows", [600, 607, 31])
@pytest.mark.parametrize(("M", "dim"), [(8, 16), (5, 15)])
def test_fast_scan_codes_are_unpacked(M, dim, rows):
    for lists in ("", "IVF4,"):
        plain = trained(f"{lists}PQ{M}x4np", rows=rows, dim=dim)
        kind = faiss.IndexIVFPQFastScan if lists else faiss.IndexPQFastScan
        fast, slow = from_faiss(kind(plain)), from_faiss(plain)
        np.testing.assert_array_equal(fast.codes, slow.codes)
        np.testing.assert_array_equal(fast.ids, slow.ids)
        np.testing.assert_array_equal(fast.arrays["codebooks"], slow.arrays["codebooks"])
        if lists:
            np.testing.assert_array_equal(fast.lists, slow.lists)


@pytest.mark.parametrize("wrapper", [faiss.IndexIDMap, faiss.IndexIDMap2])
@pytest.mark.parametrize("factory", ["PQ4np", "OPQ4,IVF8,PQ4x4np", "PQ8x4fs"])
def test_id_maps_are_looked_through(factory, wrapper):
    ids = np.random.default_rng(3).permutation(10 * ROWS)[:ROWS].astype(np.int64) + 2**40
    index = trained(factory)
    index.reset()
    mapped = wrapper(index)
    mapped.add_with_ids(vectors(), ids)
    contents, plain = from_faiss(mapped), from_faiss(trained(factory))
    np.testing.assert_array_equal(contents.codes[np.argsort(contents.ids)], plain.codes[np.argsort(ids)])
    assert set(contents.ids) == set(ids)


def test_user_ids_of_lists_come_in_rising_order():
    ids = np.random.default_rng(3).permutation(10 * ROWS)[:ROWS].astype(np.int64)
    contents = from_faiss(trained("IVF8,PQ4np", ids=ids))
    assert (np.diff(contents.ids) > 0).all()
    np.testing.assert_array_equal(
        contents.codes[np.searchsorted(contents.ids, ids)], from_faiss(trained("IVF8,PQ4np")).codes
    )


@pytest.mark.parametrize("factory", ["PQ4np,RFlat", "IVF8,PQ4np,Refine(SQfp16)"])
def test_a_refining_index_gives_its_quantized_part(factory):
    contents = from_faiss(trained(factory))
    assert str(contents.spec) == factory.split("np")[0]
    assert len(contents) == ROWS


@pytest.mark.parametrize("metric", ["ip", "l2", "cosine"])
@pytest.mark.parametrize("spec", ["PQ4x5", "OPQ4,PQ4", "IVF8,PQ4x4", "OPQ4,IVF8,PQ4", "RQ3x6", "IVF8,RQ3x6"])
def test_our_export_gives_the_bundles_fingerprint_back(make_bundle, tmp_path, spec, metric):
    bundle = make_bundle(spec, metric)
    contents = from_faiss(build_index(bundle, nprobe=3))
    again = contents.bundle(tmp_path / "again")
    assert again.fingerprint == bundle.fingerprint
    assert contents.nprobe == (3 if bundle.spec.nlist else None)
    rows = again.row_of(bundle.ids)
    np.testing.assert_array_equal(again.codes[rows], bundle.codes)
    if bundle.lists is not None:
        np.testing.assert_array_equal(again.lists[rows], bundle.lists)


@pytest.mark.parametrize(
    ("factory", "metric"),
    [("OPQ4,PQ4np", L2), ("OPQ4,IVF8,PQ4x4np", IP), ("L2norm,IVF8,PQ4np", IP), ("IVF8,RQ3x6", IP)],
)
def test_the_layer_encodes_as_faiss_did(factory, metric):
    contents = from_faiss(trained(factory, metric))
    layer = index_from(contents, seed=3)
    assert layer.ready
    assert layer.step == 0
    for name, array in layer.arrays().items():
        np.testing.assert_allclose(array, contents.arrays[name], atol=1e-6)
    decoded = layer.decode(
        torch.tensor(contents.codes), None if contents.lists is None else torch.tensor(contents.lists)
    )
    np.testing.assert_allclose(decoded.detach().numpy(), ReferenceScorer(as_bundle(contents)).decode(), atol=1e-5)
    # its k-means for inner products is spherical, so that both choose the same lists
    codes, _ = layer.encode(torch.tensor(vectors()))
    if contents.spec.kind == "PQ":  # of additive codes both search with a beam, of other widths
        assert (codes.numpy() == contents.codes).mean() > 0.999
    # it trains on, and another process takes it up from its state
    layer.train()(torch.tensor(vectors())).distortion.backward()
    other = index_from(contents)
    other.load_state_dict(layer.state_dict())


def test_centroids_of_equal_norm_stay_tied(make_bundle):
    contents = from_faiss(build_index(make_bundle("IVF8,PQ4", "ip")))
    assert index_from(contents).coarse.norm is not None
    contents = from_faiss(build_index(make_bundle("IVF8,PQ4", "ip", equal=False)))
    layer = index_from(contents)
    assert layer.coarse.norm is None
    np.testing.assert_array_equal(layer.arrays()["coarse"], contents.arrays["coarse"])


def test_strings_may_take_the_place_of_the_numbers(tmp_path):
    contents = from_faiss(trained("PQ4np"))
    bundle = contents.bundle(tmp_path / "b", ids=[f"item {i}" for i in contents.ids])
    assert bundle.string_ids
    assert bundle.training["source"] == "faiss"


def test_it_is_a_public_name(tmp_path):
    faiss.write_index(trained("IVF8,PQ4np"), str(tmp_path / "x.faiss"))
    assert repr(poeem.from_faiss(str(tmp_path / "x.faiss"))) == "FaissContents(IVF8,PQ4, l2, dim=16, rows=600)"


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
