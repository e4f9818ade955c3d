"""A bench of runs has the figures that `poeem train` and `poeem evaluate` give of them."""

import json
import shutil

import numpy as np
import pytest

from poeem.bench.run import run_bench
from poeem.bench.run_problem import problem_from_runs
from poeem.cli.main import main
from poeem.data.interactions import Interactions
from poeem.training.compare import INDEX_SETTINGS, share_twin
from poeem.training.load import load_run
from poeem.training.recipes.interactions import train_interactions

OPTIONS = {"dim": 8, "steps": 40, "batch_size": 64, "lr": 0.01, "device": "cpu", "show": False}
SHARED = ("recall@10", "recall@100", "ndcg@10", "mrr@10", "neighbour_recall@10")


@pytest.fixture(scope="module")
def world():
    rng = np.random.default_rng(0)
    users, items = [], []
    for user in range(300):
        taken = rng.choice(40, int(rng.integers(3, 12)), replace=False) * 8 + user % 8
        users += [user] * len(taken)
        items += taken.tolist()
    # Met by one user only, last: the item has no training event, and that user cannot be served.
    return Interactions.from_columns(user=[*users, 0], item=[*items, 999])


@pytest.fixture(scope="module")
def runs(world, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    for name, spec in (("pq", "OPQ4,PQ4x4"), ("rq", "RQ2x4"), ("lists", "OPQ2,IVF4,PQ2x4")):
        train_interactions(world, spec=spec, out=folder / name, baselines=("opq",), **OPTIONS)
    return folder


def metrics(folder):
    return json.loads((folder / "metrics.json").read_text())


def test_figures_are_those_of_the_run(runs, tmp_path):
    problem, metric = problem_from_runs([runs / "pq", runs / "rq"], device="cpu", show=False)
    assert metric == "cosine"
    store = run_bench(problem, ["joint"], tmp_path, sizes=[1, 2], metric=metric)
    exact, *joint = store.records
    assert [(one["bytes_per_vector"], one["structure"]) for one in joint] == [(1, "RQ2x4"), (2, "OPQ4,PQ4x4")]
    for record, said in (
        (exact, metrics(runs / "pq")["float"]),
        (joint[0], metrics(runs / "rq")["index"]),
        (joint[1], metrics(runs / "pq")["index"]),
    ):
        assert {name: record[name] for name in SHARED} == pytest.approx({name: said[name] for name in SHARED})
        assert record["qps"] > 0
    again = run_bench(problem, ["joint"], tmp_path, sizes=[1, 2], metric=metric)
    assert again.records == store.records


def test_joint_index_uses_the_queries_of_its_own_model(runs, tmp_path):
    problem, metric = problem_from_runs([runs / "lists"], device="cpu", show=False)
    store = run_bench(problem, ["joint", "sq8"], tmp_path, sizes=[1], nlist=4, nprobe=[2, 4], metric=metric)
    said = metrics(runs / "lists")
    joint = [record for record in store.records if record["method"] == "joint"]
    for record, block in zip(joint, ("index", "index_full_probe"), strict=True):
        assert {name: record[name] for name in SHARED} == pytest.approx({name: said[block][name] for name in SHARED})
        assert record["scanned"] / len(problem.items) == pytest.approx(said[block]["scanned"])
    # An engine cannot be told what was seen.
    assert "engine_recall@100" not in store.records[-1]


def test_other_methods_get_the_vectors_of_the_twin(runs, tmp_path):
    problem, metric = problem_from_runs([runs / "pq"], device="cpu", show=False)
    run = load_run(runs / "pq")
    train = run.split.train
    assert len(problem.train_queries) == len(train.values) - (train.lengths > 0).sum()
    # What comes next in training, never what validates or tests.
    wanted = np.bincount(problem.train_relevant.values, minlength=run.split.n_items)
    first = train.values[train.offsets[:-1][train.lengths > 0]]
    expected = np.bincount(train.values, minlength=run.split.n_items) - np.bincount(first, minlength=run.split.n_items)
    np.testing.assert_array_equal(wanted, expected)
    store = run_bench(problem, ["lsh", "poeem-adapter"], tmp_path, sizes=[1], metric=metric, speed=False)
    assert [record["method"] for record in store.records] == ["float", "lsh", "poeem-adapter"]


def test_runs_that_differ_only_in_the_index_share_one_twin(runs, tmp_path, monkeypatch):
    for name in ("pq", "rq", "lists"):
        shutil.copytree(runs / name, tmp_path / name)
    for name in ("pq", "lists"):
        for file in ("float.json", "float.safetensors"):
            (tmp_path / name / "model" / file).unlink()
    trained = []
    monkeypatch.setattr(
        "poeem.training.compare.train_joint", lambda *args, **how: trained.append(how["progress_title"])
    )
    problem, _ = problem_from_runs([tmp_path / name for name in ("pq", "rq", "lists")], device="cpu", show=False)
    assert not trained
    for name in ("pq", "lists"):
        file = "model/float.safetensors"
        assert (tmp_path / name / file).read_bytes() == (runs / "rq" / file).read_bytes()
    np.testing.assert_array_equal(problem.items, problem_from_runs([runs / "pq"], device="cpu", show=False)[0].items)


def test_index_options_do_not_change_the_twin(runs, world, tmp_path):
    other = {"assignment": "balanced", "estimator": "soft", "rotation": "cayley", "index_lr": 0.5, "distill": 1.0}
    other |= {"views": "quantized", "share": 0.5, "commitment": 0.0, "list_loss": 0.5, "balance": 0.0, "nprobe": 2}
    train_interactions(world, spec="OPQ2,IVF4,PQ2x4", out=tmp_path / "run", baselines=("lsh",), **OPTIONS | other)
    assert set(other) | {"spec", "codes"} == INDEX_SETTINGS
    file = "model/float.safetensors"
    assert (tmp_path / "run" / file).read_bytes() == (runs / "rq" / file).read_bytes()


def test_twin_of_another_training_is_not_shared(runs, world, tmp_path):
    train_interactions(world, spec="RQ4x4", out=tmp_path / "shorter", baselines=(), **OPTIONS | {"steps": 20})
    train_interactions(world, spec="RQ4x4", out=tmp_path / "slower", baselines=(), **OPTIONS | {"lr": 0.005})
    for name in ("shorter", "slower"):
        share_twin(load_run(tmp_path / name), load_run(runs / "rq"))
        assert not (tmp_path / name / "model" / "float.json").exists()


def test_errors_are_one_line(runs, world, tmp_path, capsys):
    shutil.copytree(runs / "rq", tmp_path / "twice")
    train_interactions(world, spec="RQ4x4", out=tmp_path / "other", baselines=("opq",), seed=1, **OPTIONS)
    one = ["bench", "--run", str(runs / "rq"), "--out", str(tmp_path / "bench"), "--no-plots"]
    for extra, line in (
        (["--run", str(tmp_path / "other")], "different float twins"),
        (
            ["--run", str(tmp_path / "twice")],
            "has 1 bytes per vector and 0 lists, as another run has",
        ),
        (["--run", str(tmp_path / "nowhere")], "nowhere"),
        (["--dataset", "glove"], "--run DIR has its own vectors"),
        (["--metric", "ip"], "--metric (='ip') is not that of the --run (='cosine')"),
        (["--methods", "joint", "--bytes", "1,2"], "method 'joint' has runs of 1 bytes with 0 lists, not of 2 with 0"),
        (["--methods", "joint", "--nlist", "4"], "not of 1 with 4"),
    ):
        assert main([*one, *extra]) == 2
        said = capsys.readouterr().err
        assert line in said
        assert "Traceback" not in said
    assert main(["bench", "--dataset", "ml-1m", "--out", str(tmp_path / "bench"), "--no-plots"]) == 2
    assert "`poeem bench --run`" in capsys.readouterr().err
    assert not (tmp_path / "bench").exists()
