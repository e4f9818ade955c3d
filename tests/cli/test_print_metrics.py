import numpy as np
import pytest

from poeem.cli.print_metrics import print_metrics
from poeem.evaluation.intervals import FEW_QUERIES, with_intervals
from poeem.training.recipes.entries import RECIPES

COLUMNS = RECIPES["interactions"].figures


def metrics_of(queries):
    block = with_intervals({name: np.ones(queries) for name in COLUMNS})
    return {
        "recipe": "interactions",
        "dataset": "events.csv",
        "spec": "RQ8x8",
        "metric": "cosine",
        "nprobe": None,
        "steps": 10,
        "bytes_per_vector": 8,
        "data": {"test_queries": queries},
        "settings": {"dim": 16},
        "timings": {"bundle_seconds": 1.0},
        "float": block,
        "joint_float": block,
        "index": block,
        "baselines": {"opq": block | {"bytes_per_vector": 8, "build_seconds": 0.5}},
    }


@pytest.mark.parametrize("queries", [1, FEW_QUERIES - 1])
def test_no_figure_of_few_queries_stands_alone(queries, tmp_path, capsys):
    print_metrics(metrics_of(queries), tmp_path)
    printed = capsys.readouterr().out
    assert f"Only {queries} test quer" in printed
    assert printed.count("1.0000 (0.") == printed.count("1.0000") == 4 * len(COLUMNS)


def test_figures_of_many_queries_stand_alone(tmp_path, capsys):
    print_metrics(metrics_of(FEW_QUERIES), tmp_path)
    printed = capsys.readouterr().out
    assert "1.0000 (" not in printed
    assert "Only" not in printed
