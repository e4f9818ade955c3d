"""Stock faiss indexes read back: faiss itself is the oracle."""

from __future__ import annotations

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
from tests.engines.faiss.stock import DIM, IP, L2, ROWS, trained, vectors


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
