from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from poeem.data.interactions import Interactions
from poeem.training.load import load_run
from poeem.training.model_scores import BundleScorer, score
from poeem.training.recipes.interactions import train_interactions
from poeem.training.recommend import recommend
from poeem.training.tower_vectors import query_vectors

BLOCK = {"queries", "intervals", "recall@10", "recall@100", "precision@100", "ndcg@10", "mrr@10", "neighbour_recall@10"}
SMALL = {"spec": "PQ2x4", "dim": 8, "steps": 4, "batch_size": 64, "device": "cpu", "show": False}


def test_metrics_are_what_the_file_holds_and_complete(finished):
    folder, metrics = finished
    assert json.loads((folder / "metrics.json").read_text()) == metrics
    for name in ("float", "joint_float"):
        assert set(metrics[name]) == BLOCK, name
    for name in ("index", "index_full_probe"):
        assert set(metrics[name]) == BLOCK | {"scanned"}, name
    assert set(metrics["baselines"]) == {"pq", "opq", "rq"}
    for block in metrics["baselines"].values():
        assert set(block) == BLOCK | {"bytes_per_vector", "build_seconds", "scanned"}
        assert 0 < block["scanned"] < 1
        assert block["bytes_per_vector"] == metrics["bytes_per_vector"] == 1
    assert metrics["spec"] == "OPQ2,IVF4,PQ2x4"
    assert (metrics["steps"], metrics["nprobe"]) == (60, 2)
    assert metrics["float"]["neighbour_recall@10"] == metrics["joint_float"]["neighbour_recall@10"] == 1
    assert {"train_seconds", "float_train_seconds", "bundle_seconds"} <= set(metrics["timings"])
    assert metrics["environment"]["device"] == "cpu"
    assert metrics["data"]["unseen_item_share"] == pytest.approx(1 / metrics["data"]["items"])


def test_what_is_scanned_is_the_length_of_the_lists_visited(finished):
    folder, metrics = finished
    run = load_run(folder)
    arrays, lists = run.bundle.arrays, run.bundle.lists
    nearness = query_vectors(run.model, run.split.test.history) @ arrays["rotation"] @ arrays["coarse"].T
    visited = np.argsort(-nearness, axis=1)[:, :2]
    share = np.mean([np.isin(lists, some).mean() for some in visited])
    assert metrics["index"]["scanned"] == pytest.approx(share)
    assert metrics["index_full_probe"]["scanned"] == 1.0


def test_it_learns(finished):
    # Ten items a group, a handful seen: at random an item is among ten of eighty with 1/8.
    _, metrics = finished
    assert metrics["float"]["recall@10"] > 0.5
    assert metrics["index"]["recall@10"] > 0.3


def test_same_seed_same_bits_other_seed_others(finished, small, tmp_path):
    options = SMALL | {"spec": "OPQ2,IVF4,PQ2x4", "steps": 60, "lr": 0.01, "baselines": ()}
    train_interactions(small, out=tmp_path / "same", **options)
    train_interactions(small, out=tmp_path / "other", seed=1, **options)
    arrays = [
        load_file(f / "bundle" / "arrays.safetensors") for f in (finished[0], tmp_path / "same", tmp_path / "other")
    ]
    assert all((arrays[0][name] == arrays[1][name]).all() for name in arrays[0])
    assert (arrays[0]["codebooks"] != arrays[2]["codebooks"]).any()


def test_without_baselines_there_is_no_twin(small, tmp_path):
    metrics = train_interactions(small, out=tmp_path / "run", baselines=(), **SMALL)
    assert metrics["float"] is None
    assert metrics["baselines"] == {}
    assert "index_full_probe" not in metrics
    assert not (tmp_path / "run" / "checkpoints" / "float").exists()


def test_every_way_of_training_goes_with_every_other(small, tmp_path):
    options = SMALL | {"spec": "OPQ2,IVF4,PQ2x4", "steps": 40, "baselines": ("opq",), "lr": 0.01}
    ways = {"hard_negatives": 2, "distill": 0.5, "list_loss": 0.5, "balance": 0.5, "index_lr": 2.0}
    table = {"item_table": "compressed", "table_bytes": 4}
    for tower in ("history", "sequence"):
        metrics = train_interactions(small, out=tmp_path / tower, tower=tower, **(options | ways | table))
        assert {name: metrics["settings"][name] for name in ways | table} == ways | table
        weights = load_file(tmp_path / tower / "model" / "weights.safetensors")
        # Four bytes an item, 256 codewords at each of four positions; the table of the search is left out.
        tables = {name: value.shape for name, value in weights.items() if "table" in name}
        assert set(tables.values()) == {(small.n_items, 4), (1024, 8)}, tables
        run = load_run(tmp_path / tower)
        assert run.model.towers.item.table.codes.any()
        again = score(BundleScorer(run.bundle, 2), run.model, run.split.test, run.split)
        assert again["ndcg@10"] == pytest.approx(metrics["index"]["ndcg@10"], abs=1e-3)


@pytest.mark.parametrize(
    "way",
    [{"estimator": "rotation-trick"}, {"estimator": "soft"}, {"assignment": "score-aware"}, {"assignment": "balanced"}],
    ids=str,
)
def test_the_layers_choices_are_passed_on(small, tmp_path, way):
    metrics = train_interactions(small, out=tmp_path / "run", baselines=(), **(SMALL | {"steps": 20} | way))
    assert metrics["settings"].items() >= way.items()
    run = load_run(tmp_path / "run")
    assert run.model.index.estimator == way.get("estimator", "ste")
    # The layer, read back, assigns what the bundle holds.
    codes, _ = run.model.index.encode(torch.from_numpy(run.items(np.arange(small.n_items))))
    assert (codes.numpy() == run.bundle.codes).mean() > 0.99


@pytest.mark.parametrize("spec", ["OPQ2,IVF4,PQ2x4", "RQ2x4"])
def test_fixed_codes_are_those_of_the_warm_start(small, tmp_path, spec):
    options = SMALL | {"spec": spec, "codes": "fixed", "baselines": ()}
    # Warm start at half of the steps: after one small step the codes are still the nearest, after many long ones not.
    for steps, lr, nearest in ((2, 1e-5, True), (80, 0.02, False)):
        folder = tmp_path / str(steps)
        metrics = train_interactions(small, out=folder, **(options | {"steps": steps, "lr": lr}))
        assert (metrics["settings"]["codes"], metrics["settings"]["estimator"]) == ("fixed", "task")
        run = load_run(folder)
        assert (run.model.kept.codes.numpy() == run.bundle.codes).all()
        codes, _ = run.model.index.encode(torch.from_numpy(run.items(np.arange(small.n_items))))
        assert ((codes.numpy() == run.bundle.codes).mean() > 0.9) == nearest
        again = score(BundleScorer(run.bundle, metrics["nprobe"]), run.model, run.split.test, run.split)
        assert again["ndcg@10"] == pytest.approx(metrics["index"]["ndcg@10"], abs=1e-3)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"codes": "kept"}, r"codes \(='kept'\) must be one of 'reassigned', 'fixed'"),
        ({"codes": "fixed", "estimator": "soft"}, r"estimator \(='soft'\) weighs all codewords.* one of 'ste', 'task'"),
        ({"codes": "fixed", "assignment": "balanced"}, r"assignment \(='balanced'\) .*give codes='reassigned' too"),
    ],
)
def test_what_does_not_go_with_fixed_codes_is_refused(small, tmp_path, wrong, message):
    with pytest.raises(ValueError, match=message):
        train_interactions(small, out=tmp_path / "run", **(SMALL | wrong))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("spec", ["RQ2x4", "IVF4,RQ2x4"])
def test_additive_indexes_are_trained_too(small, tmp_path, spec):
    options = SMALL | {"spec": spec, "steps": 30, "lr": 0.01, "hard_negatives": 2, "distill": 0.5}
    metrics = train_interactions(small, out=tmp_path / "run", **options, baselines=("rq", "opq"))
    assert metrics["bytes_per_vector"] == metrics["baselines"]["rq"]["bytes_per_vector"] == 1
    assert metrics["index"]["recall@10"] > 0.15
    run = load_run(tmp_path / "run")
    scores, numbers = recommend(run, run.histories.take(np.arange(3)), k=5)
    assert (numbers >= 0).all()
    assert (np.diff(scores, axis=1) <= 0).all()


def test_a_finished_run_resumes_to_its_own_table(finished, small, copied):
    folder, metrics = finished
    shutil.rmtree(copied / "bundle")
    shutil.copytree(folder / "bundle", copied / "bundle")
    options = {"dim": 8, "steps": 60, "batch_size": 64, "lr": 0.01, "device": "cpu", "show": False}
    again = train_interactions(small, spec="OPQ2,IVF4,PQ2x4", out=copied, resume=True, **options)
    assert again["index"] == metrics["index"]
    with pytest.raises(ValueError, match=r"lr \(=0.02\) differs from that of the run to resume \(=0.01\)"):
        train_interactions(small, spec="OPQ2,IVF4,PQ2x4", out=copied, resume=True, **(options | {"lr": 0.02}))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"spec": "PQ3x4"}, r"dim \(=8\) must be divisible by M"),
        ({"spec": "XY"}, "index spec 'XY'"),
        ({"spec": "PQ2"}, r"spec \(='PQ2'\) needs at least 256 items .* there are 80; choose fewer nbits"),
        ({"tower": "tree"}, r"tower \(='tree'\) must be one of 'history', 'sequence'"),
        ({"epochs": 1}, "give one of them"),
        ({"steps": 1}, r"steps \(=1\) must be at least 2"),
        ({"steps": None, "epochs": -1}, r"epochs \(=-1\)"),
        ({"batch_size": 0}, "batch_size"),
        ({"dim": 0}, r"dim \(=0\)"),
        ({"lr": 0}, "lr"),
        ({"seed": -1}, "seed"),
        ({"metric": "dot"}, "metric"),
        ({"views": "none"}, "views"),
        ({"estimator": "x"}, "estimator"),
        ({"rotation": "x", "spec": "OPQ2,PQ2x4"}, "rotation|kind"),
        ({"temperature": 0}, "temperature"),
        ({"nprobe": 2}, r"nprobe \(=2\) goes with inverted lists"),
        ({"nprobe": 0, "spec": "IVF4,PQ2x4"}, "nprobe"),
        ({"baselines": ("ivf",)}, "baselines"),
        ({"device": "tpu"}, "device"),
        ({"log_with": "paper"}, "log_with"),
        ({"patience": 0}, "patience"),
        ({"assignment": "x"}, "assignment"),
        ({"spec": "RQ3x4", "baselines": ("rq", "pq")}, r"divisible by M \(=3\) for baseline 'pq'"),
        ({"hard_negatives": -1}, r"hard_negatives \(=-1\)"),
        ({"distill": -1}, "distill"),
        ({"balance": 1}, r"balance \(=1\) is a part of the list loss, and 'PQ2x4' has no lists"),
        ({"balance": 1, "list_loss": 0, "spec": "IVF4,PQ2x4"}, "balance .* is a part of the list loss"),
        ({"balance": -1, "spec": "IVF4,PQ2x4"}, r"balance \(=-1\) must be 0 or more"),
        ({"list_loss": 1}, "list_loss .* goes with inverted lists"),
        ({"index_lr": -1}, "index_lr"),
        ({"item_table": "small"}, "item_table .* must be one of"),
        ({"table_bytes": 4}, r"table_bytes \(=4\) goes with item_table='compressed'"),
        ({"table_bytes": 0, "item_table": "compressed"}, r"table_bytes \(=0\) must be 1 to 64"),
        ({"resume": True}, "holds no run to resume"),
        ({"decay": "step"}, "decay"),
        ({"history_length": 0}, "history_length"),
    ],
    ids=str,
)
def test_mistakes_are_refused_before_any_folder_is_made(small, tmp_path, wrong, said):
    with pytest.raises(ValueError, match=said):
        train_interactions(small, out=tmp_path / "run", **(SMALL | wrong))
    assert not (tmp_path / "run").exists()


def test_a_folder_that_is_taken_is_left_alone(small, finished, tmp_path):
    with pytest.raises(ValueError, match="holds a run already; resume it, or choose another folder"):
        train_interactions(small, out=finished[0], **SMALL)
    (tmp_path / "mine").write_text("")
    with pytest.raises(ValueError, match="holds files already; empty it, or choose another folder"):
        train_interactions(small, out=tmp_path, **SMALL)


def test_data_without_a_test_user_are_refused(tmp_path):
    with pytest.raises(ValueError, match="no user has 3 events"):
        train_interactions(Interactions.from_columns(user=[1, 1], item=[1, 2]), out=tmp_path / "run", **SMALL)
