"""Wrong faiss files are caught and not kept."""

from __future__ import annotations

import os

import faiss
import numpy as np
import pytest

from poeem.engines.export import export
from poeem.engines.faiss import build, write
from poeem.engines.self_check import EngineMismatch
from tests.engines.faiss.queries import METRICS


def wrong_rotation(bundle):
    return build.build_index(_with(bundle, rotation=bundle.arrays["rotation"].T))


def wrong_codebook_order(bundle):
    return build.build_index(_with(bundle, codebooks=bundle.arrays["codebooks"][::-1]))


def wrong_centroids(bundle):
    return build.build_index(_with(bundle, coarse=bundle.arrays["coarse"][::-1]))


def wrong_lists(bundle):
    return build.build_index(_replace(bundle, lists=np.roll(bundle.lists, 1)))


def shuffled_ids(bundle):
    return build.build_index(_replace(bundle, ids=np.roll(bundle.ids, 1)))


def one_wrong_code(bundle):
    codes = bundle.codes.copy()
    codes[17, 2] ^= 1
    return build.build_index(_replace(bundle, codes=codes))


def a_row_missing(bundle):
    index = build.build_index(bundle)
    index.remove_ids(bundle.ids[:1])
    return index


def not_normalised(bundle):
    return build.build_index(_replace(bundle, metric="ip"))


def _with(bundle, **arrays):
    return _replace(bundle, arrays={**bundle.arrays, **arrays})


def _replace(bundle, **changes):
    from dataclasses import replace

    return replace(bundle, **changes)


WRONG = [
    wrong_rotation,
    wrong_codebook_order,
    wrong_centroids,
    wrong_lists,
    shuffled_ids,
    one_wrong_code,
    a_row_missing,
]


@pytest.mark.parametrize(
    ("wrong", "metric"),
    # The other metrics do not normalise.
    [*((wrong, metric) for wrong in WRONG for metric in METRICS), (not_normalised, "cosine")],
)
def test_a_wrong_export_is_caught_and_not_kept(make_bundle, tmp_path, monkeypatch, wrong, metric):
    bundle = make_bundle("OPQ4,IVF8,PQ4", metric)
    monkeypatch.setattr(write, "build_index", lambda bundle, nprobe, **form: wrong(bundle))
    with pytest.raises(EngineMismatch, match="nothing was kept"):
        export(bundle, "faiss", tmp_path / "x.faiss")
    assert sorted(os.listdir(tmp_path)) == ["bundle"]


@pytest.mark.parametrize("spec", ["PQ4x5", "OPQ4,IVF8,PQ4"])
def test_one_wrong_row_of_many_is_caught_by_its_bytes(make_bundle, tmp_path, monkeypatch, spec):
    bundle = make_bundle(spec, rows=5000)
    monkeypatch.setattr(write, "build_index", lambda bundle, nprobe, **form: one_wrong_code(bundle))
    with pytest.raises(EngineMismatch, match="does not hold the ids and codes of the bundle"):
        export(bundle, "faiss", tmp_path / "x.faiss")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (wrong_rotation, "does not score as the reference"),
        (wrong_codebook_order, "does not score as the reference"),
        (wrong_centroids, "does not score as the reference"),
        (wrong_lists, "does not score as the reference"),
        (shuffled_ids, "does not score as the reference"),
        (a_row_missing, "returns fewer than 300 items"),
    ],
)
@pytest.mark.parametrize("metric", METRICS)
def test_the_scores_alone_catch_it_too(make_bundle, tmp_path, monkeypatch, wrong, message, metric):
    monkeypatch.setattr(write, "build_index", lambda bundle, nprobe, **form: wrong(bundle))
    monkeypatch.setattr(write, "_check_rows", lambda bundle, index: None)
    with pytest.raises(EngineMismatch, match=message):
        export(make_bundle("OPQ4,IVF8,PQ4", metric), "faiss", tmp_path / "x.faiss")


def test_a_stale_table_of_l2_is_caught(make_bundle, tmp_path, monkeypatch):
    """faiss searches with products of the old words; it builds them anew on reading, so the index is checked itself."""
    bundle = make_bundle("IVF8,PQ4", "l2")

    def stale(bundle, nprobe):
        index = build.build_index(bundle, nprobe)
        doubled = bundle.arrays["codebooks"] * 2
        faiss.copy_array_to_vector(doubled.ravel(), index.pq.centroids)
        index.precompute_table()
        faiss.copy_array_to_vector(bundle.arrays["codebooks"].ravel(), index.pq.centroids)
        return index

    index = stale(bundle, 8)
    assert index.use_precomputed_table == 1
    monkeypatch.setattr(write, "read_index", lambda path: index)
    with pytest.raises(EngineMismatch, match="does not score as the reference"):
        export(bundle, "faiss", tmp_path / "x.faiss")
    # and the table of what we build is of the words that are in it
    monkeypatch.setattr(write, "read_index", lambda path: build.build_index(bundle))
    export(bundle, "faiss", tmp_path / "x.faiss")


def test_a_failed_export_leaves_the_former_file_and_its_report(make_bundle, tmp_path, monkeypatch):
    bundle = make_bundle()
    export(bundle, "faiss", tmp_path / "x.faiss")
    before = {p.name: p.read_bytes() for p in tmp_path.glob("x.faiss*")}
    monkeypatch.setattr(write, "build_index", lambda bundle, nprobe, **form: wrong_rotation(bundle))
    with pytest.raises(EngineMismatch):
        export(bundle, "faiss", tmp_path / "x.faiss")
    assert {p.name: p.read_bytes() for p in tmp_path.glob("x.faiss*")} == before
    assert set(before) == {"x.faiss", "x.faiss.json"}
    assert not list(tmp_path.glob(".x*"))
