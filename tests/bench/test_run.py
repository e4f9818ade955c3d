import dataclasses
import json

import numpy as np
import pytest

from poeem.bench import methods
from poeem.bench.exact import build_exact
from poeem.bench.method import Method
from poeem.bench.problem import one_per_query
from poeem.bench.run import run_bench
from poeem.bench.store import Store
from poeem.bench.summary import summarise


@pytest.fixture
def built(monkeypatch):
    """A method that counts what it was built with, in place of the slow ones."""
    calls = []

    def build(problem, *, n_bytes, nlist, metric, seed):
        calls.append((n_bytes, seed))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return dataclasses.replace(build_exact(problem, metric=metric), bytes_per_vector=n_bytes)

    monkeypatch.setitem(methods.METHODS, "counted", Method("counted", build))
    return calls


def test_killed_benchmark_resumes(problem, built, tmp_path):
    def start():
        return run_bench(problem, ["counted"], tmp_path, sizes=[2, 4], seeds=[0, 1], speed=False)

    with pytest.raises(KeyboardInterrupt):
        start()
    assert len(json.loads((tmp_path / "bench.json").read_text())["records"]) == 3  # float and two cells
    store = start()
    assert built == [(2, 0), (4, 0), (2, 1), (2, 1), (4, 1)]
    cells = [(record["method"], record["bytes_asked"], record["seed"]) for record in store.records]
    assert cells == [("float", None, 0), *(("counted", size, seed) for seed in (0, 1) for size in (2, 4))]
    assert start().records == store.records
    assert len((tmp_path / "bench.csv").read_text().splitlines()) == 6
    with pytest.raises(ValueError, match=r"rescore \(=50\) differs from that of the records"):
        run_bench(problem, ["counted"], tmp_path, rescore=[50])


def test_methods_without_randomness_are_measured_once(problem, tmp_path):
    for seed in (1, 0):
        store = run_bench(problem, ["binary", "lsh"], tmp_path, sizes=[2], seeds=[seed], speed=False)
    cells = [(record["method"], record["seed"]) for record in store.records]
    assert cells == [("float", 1), ("binary", 1), ("lsh", 1), ("lsh", 0)]


def test_a_record_for_each_nprobe(problem, tmp_path):
    store = run_bench(problem, ["sq8", "lsh"], tmp_path, sizes=[2], nlist=8, nprobe=[1, 8])
    sq8 = [record for record in store.records if record["method"] == "sq8"]
    assert [record["nprobe"] for record in sq8] == [1, 8]
    assert 1 <= sq8[0]["scanned"] < sq8[1]["scanned"] == 400
    assert sq8[0]["recall@100"] < sq8[1]["recall@100"]
    (lsh,) = [record for record in store.records if record["method"] == "lsh"]
    assert (lsh["nprobe"], lsh["nlist"], lsh["scanned"]) == (None, 0, 400)
    assert all(record["qps"] > 0 for record in store.records)


def test_depths_of_rescoring_and_recall_of_the_engine(problem, tmp_path):
    store = run_bench(problem, ["sq8"], tmp_path, sizes=[2], nlist=8, nprobe=[1, 8], rescore=[0, 50])
    sq8 = [record for record in store.records if record["method"] == "sq8"]
    assert [(record["nprobe"], record["rescore"]) for record in sq8] == [(1, 0), (1, 50), (8, 0), (8, 50)]
    assert len(summarise(store.records)) == 5
    for record in sq8:
        # 100 of 400 items: the engine's own are those of the scorer, where there are no ties and no rounded tables.
        assert record["engine_recall@100"] == pytest.approx(record["recall@100"], abs=0.04)
        assert record["engine_neighbour_recall@10"] == pytest.approx(record["neighbour_recall@10"], abs=0.02)


def test_rescoring_all_items_is_exact(problem, tmp_path):
    store = run_bench(problem, ["lsh", "sq8"], tmp_path, sizes=[2], rescore=[400], speed=False)
    assert [record["neighbour_recall@10"] for record in store.records] == [1.0, 1.0, 1.0]


def test_invalid_requests_are_refused_before_building(problem, monkeypatch, tmp_path):
    monkeypatch.setitem(methods.METHODS, "labelled", Method("labelled", build_exact, needs_labels=True))
    monkeypatch.setitem(methods.METHODS, "absent", Method("absent", build_exact, package="no_such_package"))
    for names, data, message in (
        (["pq"], problem, r"dim \(=16\) must be divisible by the bytes \(=3\) for method 'pq'"),
        (["labelled"], problem, "method 'labelled' learns from labels; give training relevance"),
        (["absent"], problem, "needs the package no_such_package"),
        (["nope"], problem, r"methods \(=nope\) must be different ones of float, pq"),
    ):
        with pytest.raises(ValueError, match=message):
            run_bench(data, names, tmp_path, sizes=[3])
    for nlist, message in ((-1, "a whole number of 0 or more"), (10**6, "at most the number of items")):
        with pytest.raises(ValueError, match=rf"nlist \(={nlist}\) must be {message}"):
            run_bench(problem, ["sq8"], tmp_path / "lists", nlist=nlist)
    with pytest.raises(ValueError, match=r"nprobe \(=9\) must be different whole numbers, 1 to 8"):
        run_bench(problem, ["sq8"], tmp_path, nlist=8, nprobe=[9])
    empty = dataclasses.replace(one_per_query(np.arange(30)), offsets=np.r_[0, 1, 1, np.arange(3, 31)])
    with pytest.raises(ValueError, match="query 1 has no relevant item"):
        dataclasses.replace(problem, relevant=empty)
    assert not (tmp_path / "bench.json").exists()


def test_nan_vectors_leave_no_folder(problem, tmp_path):
    damaged = problem.items.copy()
    damaged[7] = np.nan
    with pytest.raises(ValueError, match="items: row 7 holds NaN or infinity"):
        run_bench(dataclasses.replace(problem, items=damaged), ["lsh"], tmp_path / "out", sizes=[2])
    assert not (tmp_path / "out").exists()


def test_folder_with_another_file_is_refused(tmp_path):
    (tmp_path / "bench.json").write_text("[]")
    with pytest.raises(ValueError, match=r"cannot be read .*use another folder"):
        Store(tmp_path, {}, {})
