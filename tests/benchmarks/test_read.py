from __future__ import annotations

import doctest
import json

import pytest

from benchmarks import markdown
from benchmarks.interactions import tables
from benchmarks.read import Results, mean


def store(folder, settings, *cells):
    folder.mkdir()
    base = {"nlist": 0, "nprobe": None, "rescore": 0}
    found = [{**base, "method": method, "bytes_per_vector": size, "seed": seed, "recall@100": value}
             for method, size, seed, value in cells]  # fmt: skip
    (folder / "bench.json").write_text(json.dumps({"settings": settings, "records": found}))


def test_folders_of_a_data_set_are_read_together_and_each_cell_counts_once(tmp_path):
    settings = {"rescore": 0}
    store(tmp_path / "words-frozen-a", settings, ("float", 64, 0, 0.9), ("pq", 8, 0, 0.5), ("pq", 8, 1, 0.6))
    # Measured on another machine.
    store(tmp_path / "words-frozen-a.2", settings, ("float", 64, 2, 0.91), ("pq", 8, 2, 0.7))
    store(tmp_path / "other-frozen", settings, ("float", 64, 0, 0.3))
    assert Results(tmp_path).data_sets("frozen") == ["other", "words"]
    found = Results(tmp_path).bench("words", "frozen")
    assert [one["recall@100"] for one in found if one["method"] == "pq"] == [0.5, 0.6, 0.7]
    assert len([one for one in found if one["method"] == "float"]) == 1


def test_runs_of_a_benchmark_are_those_of_its_name_alone(tmp_path):
    for name in ("lists-0", "lists-1", "lists-old-0", "lists-notes"):
        (tmp_path / f"{name}.json").write_text(json.dumps({"name": name}))
    assert [run["name"] for run in Results(tmp_path).runs("lists")] == ["lists-0", "lists-1"]


def test_mean_and_the_largest_distance_from_it():
    assert mean([0.1, 0.2, 0.6], 2) == "0.30 ± 0.30"
    assert mean([0.25]) == "0.2500"


@pytest.mark.parametrize("module", [markdown, tables], ids=lambda module: module.__name__)
def test_examples(module):
    found = doctest.testmod(module)
    assert found.attempted > 0
    assert found.failed == 0
