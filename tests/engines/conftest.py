from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from poeem.bundle import write_bundle
from poeem.spec import IndexSpec


@pytest.fixture
def make_bundle(tmp_path):
    """Bundles of random arrays and codes, with equal-norm centroids unless told otherwise."""

    def make(spec="OPQ4,IVF8,PQ4", metric="ip", *, dim=16, rows=300, seed=0, name="bundle", equal=True, **changes):
        rng = np.random.default_rng(seed)
        spec = IndexSpec.parse(spec)
        # Words as large as a trained residual: a wrong order of anything shows in the scores.
        arrays = {"codebooks": rng.normal(0, 0.4, (spec.M, spec.ksub, spec.dsub(dim))).astype("float32")}
        if spec.rotated:
            arrays["rotation"] = np.linalg.qr(rng.standard_normal((dim, dim)))[0].astype("float32")
        if spec.nlist:
            coarse = rng.standard_normal((spec.nlist, dim))
            if equal:
                coarse *= 3 / np.linalg.norm(coarse, axis=1, keepdims=True)
            arrays["coarse"] = coarse.astype("float32")
        parts = {
            "spec": spec,
            "metric": metric,
            "dim": dim,
            "arrays": arrays,
            "ids": rng.permutation(rows * 3)[:rows].astype(np.int64) + 2**40,
            "codes": rng.integers(0, spec.ksub, (rows, spec.M), dtype=np.uint8),
            "lists": rng.integers(0, spec.nlist, rows, dtype=np.int32) if spec.nlist else None,
        }
        extra = changes.pop("extra_arrays", {})
        parts["arrays"] = {**arrays, **extra}
        return write_bundle(tmp_path / name, **{**parts, **changes})

    return make


def decode(bundle):
    """x_hat of every item, word by word, float64."""
    spec, dim = bundle.spec, bundle.dim
    decoded = np.zeros((len(bundle), dim))
    for row in range(len(bundle)):
        for m in range(spec.M):
            word = bundle.arrays["codebooks"][m, bundle.codes[row, m]].astype(np.float64)
            where = slice(None) if spec.kind == "RQ" else slice(m * len(word), (m + 1) * len(word))
            decoded[row, where] += word
        if spec.nlist:
            decoded[row] += bundle.arrays["coarse"][bundle.lists[row]]
    return decoded @ bundle.arrays["rotation"].astype(np.float64).T if spec.rotated else decoded


def scores(bundle, queries, nprobe=None):
    """Scores of every item by the formulas, float64; nan where a list is not visited."""
    queries = np.asarray(queries, np.float64)
    if "query_adapter" in bundle.arrays:
        queries = queries @ bundle.arrays["query_adapter"].astype(np.float64)
    if bundle.metric == "cosine":
        queries = queries / np.sqrt((queries**2).sum(1, keepdims=True))
    decoded = decode(bundle)
    if bundle.metric == "l2":
        result = np.array([((decoded - query) ** 2).sum(1) for query in queries])
    else:
        result = queries @ decoded.T
    if nprobe is None or not bundle.spec.nlist:
        return result
    coarse = bundle.arrays["coarse"].astype(np.float64)
    rotated = queries @ bundle.arrays["rotation"].astype(np.float64) if bundle.spec.rotated else queries
    norms = np.linalg.norm(coarse, axis=1)
    by_product = bundle.metric != "l2" and (np.ptp(norms) < 1e-3 or bundle.spec.kind == "RQ")
    for i, query in enumerate(rotated):
        near = coarse @ query if by_product else -((coarse - query) ** 2).sum(1)
        probed = np.argsort(-near)[:nprobe]
        result[i, ~np.isin(bundle.lists, probed)] = np.nan
    return result


def assert_search_is_right(found, rows, expected, larger_is_better, tolerance=1e-5):
    """Best first, no better item left out, scores those of the items, -1 and infinities behind."""
    for i in range(len(expected)):
        sign = -1 if larger_is_better else 1
        order = np.sort(sign * expected[i][~np.isnan(expected[i])])[: found.shape[1]] * sign
        scale = np.nanmax(np.abs(expected[i]))
        hits = rows[i][rows[i] >= 0]
        assert len(hits) == len(order)
        assert len(set(hits.tolist())) == len(hits)
        np.testing.assert_allclose(found[i][: len(hits)], order, atol=tolerance * scale, rtol=0)
        np.testing.assert_allclose(found[i][: len(hits)], expected[i][hits], atol=tolerance * scale, rtol=0)
        assert (rows[i][len(hits) :] == -1).all()
        assert (found[i][len(hits) :] == -sign * -np.inf).all()


def rows_of(bundle, ids):
    return np.where(ids < 0, -1, bundle.row_of(np.where(ids < 0, bundle.ids[0], ids).ravel()).reshape(ids.shape))


@pytest.fixture
def oracle():
    return SimpleNamespace(decode=decode, scores=scores, rows_of=rows_of, assert_search_is_right=assert_search_is_right)
