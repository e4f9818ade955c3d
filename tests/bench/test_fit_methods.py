from __future__ import annotations

import dataclasses
from functools import partial

import numpy as np
import pytest

from poeem.baselines import build_baseline
from poeem.bench.fit_methods import RECIPES
from poeem.bench.measure import measure_engine
from poeem.bench.methods import METHODS
from poeem.bench.problem import Problem, one_per_query
from poeem.bench.problem_sources import problem_from_dataset
from poeem.data import datasets
from poeem.data.datasets.embedded import EmbeddedSet
from poeem.engines.faiss import from_faiss
from poeem.evaluation.neighbours import exact_neighbours
from poeem.evaluation.scorers import FloatScorer, prepared
from poeem.training.recipes import vectors


@pytest.fixture(scope="module")
def problem():
    rng = np.random.default_rng(0)
    mixing = rng.standard_normal((16, 16)) * np.exp(-np.arange(16)[:, None] / 6)
    items = rng.standard_normal((60, 16))[rng.integers(0, 60, 600)] + 0.7 * rng.standard_normal((600, 16))
    rows = rng.integers(0, 600, 2500)
    queries = items[rows] + 0.5 * rng.standard_normal((2500, 16))
    items, queries = (items @ mixing).astype(np.float32), (queries @ mixing).astype(np.float32)
    relevant = one_per_query(rows)
    train, test = np.arange(2000), np.arange(2000, 2500)
    return Problem("made up", items, queries[test], relevant.take(test), queries[train], relevant.take(train))


LISTED = tuple(name for name in RECIPES if name != "poeem-adapter" and "fastscan" not in name)


def short(name, **options):
    """The recipe with 4-bit codewords and for one epoch."""
    recipe = RECIPES[name]
    structure = recipe.structure
    if "{M2}" not in structure:
        structure = "RQ{M}x4" if structure.startswith("RQ") else "OPQ{M},PQ{M}x4"
    options = {**recipe.options, "epochs": 1, **options}
    return dataclasses.replace(recipe, structure=structure, options=options).method(name)


# The adapter starts from a flat index.
@pytest.mark.parametrize(("name", "nlist"), [("poeem-adapter", 0), *((name, n) for name in LISTED for n in (0, 8))])
def test_scorer_and_engine_agree(problem, name, nlist):
    METHODS[name].check(problem, [2])
    built = short(name).build(problem, n_bytes=2, nlist=nlist, metric="ip", seed=0)
    assert built.bytes_per_vector == 1
    for nprobe in (1, None) if nlist else (None,):
        one = built.with_nprobe(nprobe)
        scores = one.scores(problem.queries[:50])
        found, rows = one.index.search(problem.queries[:50], 5)
        best = np.sort(scores, axis=1)[:, ::-1][:, :5]
        np.testing.assert_allclose(found, best, atol=1e-3 * np.abs(best).max())
        np.testing.assert_allclose(np.take_along_axis(scores, rows, axis=1), found, atol=1e-3 * np.abs(best).max())


@pytest.mark.parametrize("metric", ["l2", "cosine"])
def test_query_adapter_under_every_metric(problem, metric):
    built = short("poeem-pq").build(problem, n_bytes=2, nlist=8, metric=metric, seed=0).with_nprobe(2)
    queries = prepared(problem.queries[:50], metric, "queries")
    scores, (_, rows) = built.scores(queries), built.index.search(queries, 5)
    own = np.take_along_axis(scores, rows, axis=1)
    np.testing.assert_allclose(own, np.sort(scores, axis=1)[:, ::-1][:, :5], atol=1e-3 * np.abs(own).max())


def test_items_are_queries_if_a_data_set_has_none(problem, monkeypatch):
    vectors = {"train": problem.queries[:0], "validation": problem.queries[:0], "test": problem.queries}
    found = EmbeddedSet(items=problem.items, queries=vectors, relevance=None, titles=[])
    monkeypatch.setattr(datasets, "load_embedded", lambda name: found)
    without_queries = problem_from_dataset("words")
    assert without_queries.train_queries is None
    METHODS["poeem-pq"].check(without_queries, [4])
    built = short("poeem-pq").build(without_queries, n_bytes=4, nlist=0, metric="ip", seed=0)
    assert built.bytes_per_vector == 2


@pytest.mark.parametrize("metric", ["ip", "l2", "cosine"])
def test_adapter_of_a_stock_opq_index(problem, metric):
    built = short("poeem-adapter").build(problem, n_bytes=4, nlist=8, metric=metric, seed=0)
    assert built.structure == "OPQ4,PQ4x4"  # flat, whatever is asked for
    queries = prepared(problem.queries, metric, "queries")
    stock = build_baseline("opq", problem.items, M=4, nbits=4, metric=metric, seed=0).index
    neighbours = exact_neighbours(FloatScorer(problem.items, metric).scores(problem.queries), 10)
    own, theirs = (
        measure_engine(index, queries, neighbours)["engine_neighbour_recall@10"] for index in (built.index, stock)
    )
    # It is that index, with a matrix in front that is kept only if it helps.
    assert own > theirs - 0.01
    scores, (_, rows) = built.scores(problem.queries[:50]), built.index.search(queries[:50], 5)
    own = np.take_along_axis(scores, rows, axis=1)
    np.testing.assert_allclose(own, np.sort(scores, axis=1)[:, ::-1][:, :5], atol=1e-3 * np.abs(own).max())


def test_seed_reaches_the_index_of_the_adapter():
    rng = np.random.default_rng(1)
    items = rng.standard_normal((600, 16)).astype(np.float32)
    problem = Problem("made up", items, items[:50], None, items[50:], None)
    codes = {}
    for seed in (0, 1):
        index = short("poeem-adapter").build(problem, n_bytes=4, nlist=0, metric="ip", seed=seed).index
        codes[seed] = from_faiss(index._index).codes
        stock = build_baseline("opq", items, M=4, nbits=4, metric="ip", seed=seed).index
        np.testing.assert_array_equal(codes[seed], from_faiss(stock).codes)
    assert (codes[0] != codes[1]).any()


def test_arguments_of_each_recipe(problem, monkeypatch):
    """By the arguments of the trainer: terms of the loss, fixed codes, trained parts."""
    calls = {}
    for name in LISTED:
        monkeypatch.setattr(vectors, "fit_frozen", partial(_kept, calls, name))
        with pytest.raises(Enough):
            short(name).build(problem, n_bytes=2, nlist=0, metric="ip", seed=0)
    distilled = {name for name, (_, one) in calls.items() if one["distill_weight"]}
    without = {"poeem-rq-no-adapter", "poeem-rq-no-queries"}
    assert distilled == {"poeem-rq", "poeem-pq", "poeem-rq-labels", "poeem-pq-labels", "distill-vq"} | without
    assert {name for name, (_, one) in calls.items() if one["relevant"] is None} == {
        "poeem-rq",
        "poeem-pq",
        "distill-vq",
    } | without
    kept = {name for name, (_, one) in calls.items() if one["codes"] is not None}
    assert kept == {"poeem-rq", "poeem-rq-labels", "jpq"} | without
    assert {name for name, (layer, _) in calls.items() if layer.spec.kind == "PQ"
            and layer.quantizer.assignment == "balanced"} == {"repconc"}  # fmt: skip
    assert {name for name, (_, one) in calls.items() if one["distortion_weight"]} == {"poeem-2021", "repconc"}
    assert {name for name, (_, one) in calls.items() if not one["ranked_codebooks"]} == {"poeem-2021"}
    assert {name for name, (_, one) in calls.items() if not one["adapter"]} == {"poeem-rq-no-adapter"}
    queries = {name: rest["queries"] for name, (_, rest) in calls.items()}
    assert {name for name, own in queries.items() if len(own) != len(queries["poeem-rq"])} == {"poeem-rq-no-queries"}


def test_fastscan_index_is_the_engine(problem):
    built = short("poeem-fastscan").build(problem, n_bytes=4, nlist=8, metric="ip", seed=0).with_nprobe(8)
    assert (built.bytes_per_vector, built.structure) == (4, "OPQ8,IVF8,PQ8x4")
    _, rows = built.index.search(problem.queries[:50], 50)
    best = np.argsort(-built.scores(problem.queries[:50]), axis=1)[:, :10]
    # Its tables are rounded to 8 bits.
    assert (rows[:, None] == best[:, :, None]).any(2).mean() > 0.99


class Enough(Exception):
    pass


def _kept(calls, name, layer, data, options, **rest):
    calls[name] = (layer, vars(options) | vars(data))
    raise Enough
