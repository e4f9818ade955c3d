"""Targets: the choice reaches them, and is the cheapest that does."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from poeem.engines.faiss.build import build_index
from poeem.evaluation.query_set import QuerySet
from poeem.explain import explain_target, refits
from poeem.explain.target import quick_fits
from poeem.explain.target.list_counts import try_list_counts
from poeem.explain.target.quick_fits import Fit, extrapolate_bytes
from poeem.explain.workload import Workload
from poeem.functional.coarse import assign_lists

SPEC = "OPQ16,IVF32,PQ16x4"


@pytest.fixture(scope="module")
def reached(fitted, items, queries):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(quick_fits, "_MOST_BYTES", 16)
        return explain_target(fitted(SPEC), target="recall=0.9", vectors=items, queries=queries, max_queries=100)


def test_choice_is_the_fastest_that_reaches_the_recall(reached):
    assert reached.reached
    assert reached.choice.recall >= 0.9
    assert all(point.ms >= reached.choice.ms for point in reached.points if point.recall >= 0.9)
    assert {point.nprobe for point in reached.points} == {1, 2, 4, 8, 16, 32}
    assert max(point.recall for point in reached.points) == pytest.approx(1, abs=0.005)
    recalls = [point.recall for point in reached.curve]
    assert recalls == sorted(recalls)
    assert reached.choice in reached.points


def test_recall_of_the_choice_is_that_of_the_exported_index(reached, fitted, items, queries):
    point = reached.choice
    index = build_index(fitted(SPEC), point.nprobe, refine="flat", vectors=items, k_factor=point.k_factor)
    _, ids = index.search(queries, 10)
    distances = ((queries[:, None].astype(np.float64) - items[None]) ** 2).sum(2)
    exact = np.argsort(distances, axis=1)[:, :10]
    recall = (ids[:, :, None] == exact[:, None]).any(1).mean()
    # A sample of 100 queries against all 400.
    assert recall == pytest.approx(point.recall, abs=0.03)


def test_larger_codes_are_suggested_if_codes_alone_do_not_reach_it(reached):
    assert reached.by_codes is None
    assert [fit.spec for fit in reached.fits] == [SPEC, "IVF32,RQ16x4", "OPQ32,IVF32,PQ32x4"]
    assert reached.retrain["extrapolated"] == (reached.fits[-1].recall["neighbours"] < 0.9)
    assert reached.retrain["bytes"] >= 16
    recalls = [fit.recall["neighbours"] for fit in reached.fits]
    assert recalls[0] < recalls[-1]  # of more bytes; the one between has as many as the first
    assert reached.nlist.compared == min(one.compared for one in reached.lists)


def test_bytes_target(fitted, items, queries):
    found = explain_target(fitted(SPEC), target="bytes=4", vectors=items, queries=queries, max_queries=100)
    assert found.reached
    assert {fit.spec for fit in found.fits} >= {"IVF32,PQ4", "OPQ4,IVF32,PQ4", "OPQ8,IVF32,PQ8x4", "IVF32,RQ4x8", SPEC}
    assert found.best.bytes_per_vector == 4
    of_size = [fit for fit in found.fits if fit.bytes_per_vector == 4]
    assert found.best.recall["neighbours"] == max(fit.recall["neighbours"] for fit in of_size)
    # On these vectors additive codewords are better than slices.
    assert found.best.spec == "IVF32,RQ4x8"


def test_latency_target(fitted, items, queries):
    given = {"vectors": items, "queries": queries, "max_queries": 100}
    found = explain_target(fitted("OPQ8,PQ8x5"), target="latency-ms=1000", **given)
    assert found.reached
    assert found.choice.recall == max(point.recall for point in found.points)
    assert found.by_codes.k_factor is None
    assert found.choice.nprobe is None
    found = explain_target(fitted("OPQ8,PQ8x5"), target="latency-ms=0.000001", **given)
    assert not found.reached
    assert found.choice is None
    # 40 bits are 10 codewords of 4, which do not divide the width.
    assert not found.fits
    found = explain_target(fitted("PQ8x6"), target="latency-ms=0.000001", **given)
    assert not found.fits
    found = explain_target(fitted("OPQ4,PQ4"), target="latency-ms=0.000001", **given)
    assert [fit.spec for fit in found.fits] == ["OPQ4,PQ4", "OPQ8,PQ8x4"]
    assert any("OPQ8,PQ8x4 has as many bytes" in note for note in found.notes)


def test_items_as_queries_do_not_count_themselves(fitted, items):
    found = explain_target(fitted("OPQ8,PQ8x5"), target="latency-ms=1000", vectors=items, max_queries=100)
    # All is within reach of so deep a search.
    assert found.choice.recall == pytest.approx(1, abs=0.005)


def test_fits_are_for_the_given_metric(fitted, items, queries):
    # Lengths that differ: by product others are near than by distance.
    stretched = items[:1500] * np.random.default_rng(0).lognormal(0, 0.7, (1500, 1)).astype(np.float32)
    given = {"target": "bytes=1", "vectors": stretched, "queries": queries, "max_queries": 100}
    spec = fitted("PQ8x4").spec
    by_l2, by_product = (refits.fit_index(stretched, spec, metric) for metric in ("l2", "ip"))
    assert (
        explain_target(by_l2, metric="ip", **given).fits[0].recall == explain_target(by_product, **given).fits[0].recall
    )


def test_nprobe_of_a_list_count_is_the_smallest_that_holds_the_share(fitted, items, queries, monkeypatch):
    centroids, fit_lists = [], refits.fit_lists

    def recording_fit(*arguments, **options):
        coarse, lists = fit_lists(*arguments, **options)
        centroids.append(coarse)
        return coarse, lists

    monkeypatch.setattr(refits, "fit_lists", recording_fit)
    exact = np.argsort(((queries[:, None].astype(np.float64) - items[None]) ** 2).sum(2), axis=1)[:, :10]
    workload = Workload("", fitted(SPEC), items, QuerySet(queries, neighbours=exact), nprobe=4)
    found = try_list_counts(workload, 0.9)
    assert {32, 64, 128} <= {one.nlist for one in found}
    for one, coarse in zip(found, centroids, strict=True):
        lists = assign_lists(torch.from_numpy(items), coarse).numpy()
        away = ((queries[:, None] - coarse.numpy()[None]) ** 2).sum(2)
        visited = np.argsort(away, axis=1)
        held = [
            np.mean([np.isin(lists[rows], own[:nprobe]).mean() for rows, own in zip(exact, visited)])
            for nprobe in (one.nprobe - 1, one.nprobe)
        ]
        assert held[0] < 0.9 <= held[1]


def test_no_extrapolation_without_a_gain():
    fits = [Fit("PQ8", 8, {"neighbours": 0.5}, 0), Fit("PQ16", 16, {"neighbours": 0.5}, 0)]
    assert extrapolate_bytes(fits, 0.9) is None


@pytest.mark.parametrize(
    "target",
    [
        "speed=1",
        "recall",
        "recall=x",
        "recall=1.5",
        "bytes=1.5",
        "bytes=0",
        "bytes=inf",
        "bytes=5000",
        "latency-ms=-1",
        "recall=nan",
    ],
)
def test_invalid_targets(fitted, items, target):
    with pytest.raises(ValueError, match=f"target \\(='{target}'\\)"):
        explain_target(fitted("OPQ8,PQ8x5"), target=target, vectors=items)
