"""Faults planted into a good index: each must be named, and the losses must add up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from poeem.data.ragged import Ragged
from poeem.evaluation.neighbours import exact_neighbours, neighbour_recall
from poeem.evaluation.scorers import FloatScorer
from poeem.explain import explain, refits, text
from poeem.explain.explain import explain_workload
from poeem.explain.options import SampleOptions
from poeem.explain.sources import read_workload
from poeem.explain.workload import Twin, sample_workload
from poeem.spec import IndexSpec

SIZES = {"max_queries": 200}


def assert_adds_up(found):
    for breakdown in found.measures.values():
        total = breakdown.exact - breakdown.served
        assert sum(step.loss for step in breakdown.steps) == pytest.approx(total, abs=1e-9)
        assert sum(breakdown.causes.values()) == pytest.approx(total, abs=1e-9)


def test_main_cause_of_a_good_index_is_the_code_size(fitted, items, queries):
    found = explain(fitted(), vectors=items, queries=queries, nprobe=16, **SIZES)
    assert_adds_up(found)
    assert found.main_cause == "code"
    assert found.measures["neighbours"].exact == 1
    # Re-ranking finds every neighbour that is among the best 10 k by codes.
    scorer = refits.bundle_scorer(fitted(), 16)
    workload = sample_workload(read_workload(fitted(), vectors=items, queries=queries), SampleOptions(**SIZES))
    exact = exact_neighbours(FloatScorer(items, "l2").scores(workload.queries.vectors), 10)
    scores = scorer.scores(workload.queries.vectors)
    deep, plain = (neighbour_recall(scores, exact, k=depth).mean() for depth in (100, 10))
    refine = next(one for one in found.remedies if one.parameter == "refine")
    assert refine.gain["neighbours"] == pytest.approx(deep - plain, abs=1e-3)


def test_main_cause_probing(fitted, items, queries):
    found = explain(fitted("OPQ16,IVF32,PQ16x4"), vectors=items, queries=queries, nprobe=1, **SIZES)
    assert_adds_up(found)
    assert found.main_cause == "probing"
    assert (found.next.parameter, found.next.before, found.next.after) == ("nprobe", "1", "2")
    # The measured gain is the true one.
    again = explain(fitted("OPQ16,IVF32,PQ16x4"), vectors=items, queries=queries, nprobe=2, **SIZES)
    gain = again.measures["neighbours"].served - found.measures["neighbours"].served
    assert found.next.gain["neighbours"] == pytest.approx(gain)
    assert found.measures["neighbours"].ceiling == again.measures["neighbours"].ceiling


@pytest.mark.parametrize("spec", ["OPQ8,PQ8x5", "OPQ16,IVF32,PQ16x4"])
def test_lost_rotation_is_restored(fitted, items, queries, spec):
    good = fitted(spec)
    arrays = {name: array for name, array in good.arrays.items() if name != "rotation"}
    lost = refits.in_memory_bundle(replace(good.spec, rotated=False), good.metric, arrays, good.codes, good.lists)
    found = explain(lost, vectors=items, queries=queries, nprobe=None if not good.spec.nlist else 16, **SIZES)
    assert_adds_up(found)
    assert found.main_cause == "rotation"
    assert (found.next.parameter, found.next.after) == ("rotation", "restored")


def test_missing_rotation_is_measured(fitted, items, queries):
    found = explain(fitted("PQ8x5"), vectors=items, queries=queries, **SIZES)
    assert_adds_up(found)
    rotation = next(one for one in found.remedies if one.after == "OPQ8,PQ8x5")
    assert rotation.gain["neighbours"] > 0.02
    assert found.measures["neighbours"].causes["rotation"] == pytest.approx(rotation.gain["neighbours"], abs=0.02)


def test_metric_differs_from_the_given_one(fitted, items, queries):
    found = explain(fitted("OPQ16,PQ16x4", "l2"), vectors=items, queries=queries, metric="ip", **SIZES)
    assert_adds_up(found)
    assert (found.main_cause, found.next.parameter, found.next.after) == ("metric", "metric", "ip")


def test_metric_differs_from_the_labels(fitted, items, queries):
    # The items nearest by direction are relevant. The lengths of the vectors are random.
    rng = np.random.default_rng(0)
    lengths = rng.lognormal(0, 1, (len(items), 1)).astype(np.float32)
    unit = items / np.linalg.norm(items, axis=1, keepdims=True)
    asked = queries / np.linalg.norm(queries, axis=1, keepdims=True)
    best = np.argsort(-asked @ unit.T, axis=1)[:, :3]
    pairs = np.stack([np.repeat(np.arange(len(asked)), 3), best.ravel()], axis=1)
    stretched = unit * lengths
    bundle = refits.fit_index(stretched, fitted("OPQ16,PQ16x4").spec, "ip")
    found = explain(bundle, vectors=stretched, queries=asked, relevance=pairs, **SIZES)
    assert_adds_up(found)
    assert (found.decides, found.main_cause, found.reference_metric) == ("labels", "metric", "cosine")
    assert (found.next.parameter, found.next.after) == ("metric", "cosine")


def test_main_cause_imbalance(fitted, items, queries):
    good = fitted("OPQ16,IVF32,PQ16x4")
    # All centroids but two in one far corner: nearly everything falls into two lists.
    coarse = good.arrays["coarse"].copy()
    coarse[2:] = coarse[2:] * 0.01 + 40
    broken = refits.in_memory_bundle(good.spec, good.metric, {**good.arrays, "coarse": coarse}, good.codes, good.lists)
    uneven = refits.refit_codewords(refits.reencode(broken, items), items)
    found = explain(uneven, vectors=items, queries=queries, nprobe=1, **SIZES)
    assert_adds_up(found)
    assert found.lists["imbalance_factor"] > 10
    assert found.lists["empty"] > 20
    assert found.main_cause == "imbalance"


def test_main_cause_dead_codewords(fitted, items, queries):
    good = fitted("OPQ16,PQ16x5")
    books = good.arrays["codebooks"].copy()
    books[:, 4:] = 100  # four codewords of 32 are left
    broken = refits.in_memory_bundle(good.spec, good.metric, {**good.arrays, "codebooks": books}, good.codes, None)
    found = explain(refits.reencode(broken, items), vectors=items, queries=queries, **SIZES)
    assert_adds_up(found)
    assert found.codewords["dead_share"] >= 28 / 32
    assert found.codewords["perplexity"] < 4 < found.codewords["perplexity_refitted"]
    assert (found.main_cause, found.next.parameter) == ("codewords", "codebooks")


def test_main_cause_stale_codes(fitted, items, queries):
    good = fitted("OPQ16,PQ16x4")
    codes = good.codes.copy()
    codes[:1000] = np.roll(codes[:1000], 1, axis=0)
    found = explain(replace(good, codes=codes), vectors=items, queries=queries, **SIZES)
    assert_adds_up(found)
    assert (found.main_cause, found.next.parameter) == ("stale", "codes")


def test_main_cause_query_shift():
    # Items hardly vary along the four axes that queries ask for, so that the codewords hold nothing of them.
    rng = np.random.default_rng(0)
    few, mix = np.arange(16) >= 12, np.linalg.qr(rng.standard_normal((16, 16)))[0]
    items = (np.where(few, 0.05, 1.0) * rng.standard_normal((2000, 16)) @ mix).astype(np.float32)
    queries = (np.where(few, 1.0, 0.05) * rng.standard_normal((400, 16)) @ mix).astype(np.float32)
    bundle = refits.fit_index(items, IndexSpec.parse("RQ6x6"), "ip")
    found = explain(bundle, vectors=items, queries=queries, **SIZES)
    assert_adds_up(found)
    assert found.main_cause == "query_shift"
    assert found.query_shift["energy_in_items_axes"] < 0.1
    assert found.query_shift["loss_of_queries"] > found.query_shift["loss_of_items_as_queries"] + 0.2


def test_few_queries_are_noted_and_one_label_is_not_a_measure(fitted, items, queries):
    found = explain(fitted("OPQ8,PQ8x5"), vectors=items, queries=queries[:9], relevance=np.array([[0, 1]]))
    assert set(found.measures) == {"neighbours"}
    assert "Only 9 test queries" in " ".join(text.sentences(found))
    exact = found.measures["neighbours"]
    assert f"{exact.served:.4f} ({exact.intervals['served'][0]:.2f}" in str(text.loss_table(found).rows)


def test_seed_changes_the_fits(fitted, items, queries):
    first, second = (
        [one.gain for one in explain(fitted("RQ6x5"), vectors=items, queries=queries, seed=seed).remedies]
        for seed in (0, 1)
    )
    # The last is twice the bytes, a fit of its own.
    assert first[-1] != second[-1]


def with_twin_of(workload, items):
    """The workload of a run with a float twin of these item vectors, whose exact search finds all labels."""
    exact = exact_neighbours(FloatScorer(items, workload.bundle.metric).scores(workload.queries.vectors), 1)
    relevant = Ragged.from_lengths(np.ones(len(exact), np.int64), exact[:, 0])
    return replace(
        workload,
        queries=replace(workload.queries, relevant=relevant),
        twin=Twin(items, np.asarray(workload.queries.vectors)),
    )


def test_loss_of_joint_training_is_measured_by_the_float_twin(fitted, items, queries):
    noise = np.random.default_rng(0).normal(size=items.shape).astype(np.float32)
    workload = with_twin_of(read_workload(fitted("OPQ8,PQ8x5"), vectors=items, queries=queries), items + 2 * noise)
    found = explain_workload(workload, SampleOptions(metric=workload.bundle.metric, **SIZES))
    assert_adds_up(found)
    labels = found.measures["labels"]
    assert labels.exact == 1.0
    assert found.decides == "labels"
    assert found.main_cause == "twin"
    assert labels.steps[0].cause == "twin"
    assert labels.steps[0].loss > 0.1
    assert "joint training" in " ".join(text.sentences(found))
    assert "float twin" in text.loss_table(found).rows[0][0]


def test_better_baseline_or_twin_is_reported(fitted, items, queries):
    workload = with_twin_of(read_workload(fitted("OPQ8,PQ8x5"), vectors=items, queries=queries), items)
    found = explain_workload(replace(workload, recalls={"index": 0.3363, "opq": 0.3429}), SampleOptions(**SIZES))
    found = replace(found, decides="neighbours")
    said = " ".join(text.sentences(found))
    assert "nothing is lost" not in said
    assert "opq has recall@100 0.3429 on the test, this index 0.3363" in said
    assert "opq" not in " ".join(text.sentences(replace(found, recalls={"index": 0.35, "opq": 0.3429})))
    labels = replace(found.measures["labels"], served=found.measures["labels"].exact - 0.001, error=0.01)
    within = replace(found, recalls={}, measures=found.measures | {"labels": labels})
    assert "the float twin finds more, within chance (-0.0010 ± 0.0100)" in " ".join(text.sentences(within))
    equal = replace(labels, served=labels.exact)
    assert "nothing is lost beyond chance" in " ".join(
        text.sentences(replace(within, measures=found.measures | {"labels": equal}))
    )
