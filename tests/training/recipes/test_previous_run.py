"""A next version of a run: from its weights and index, its codes kept or not."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch

from poeem.bundle import BundleEditor, open_bundle
from poeem.bundle.delta import write_delta
from poeem.bundle.diff import diff_bundles
from poeem.cli.main import main
from poeem.data.interactions import Interactions
from poeem.training.load import load_run
from poeem.training.model_scores import index_scorer
from poeem.training.previous_run import PreviousRun
from poeem.training.recipes.interactions import train_interactions
from poeem.training.recommend import recommend

OPTIONS = {"steps": 40, "batch_size": 64, "lr": 0.01, "device": "cpu", "show": False, "baselines": ()}


def events(seed, users, gone=(), more=()):
    """Users who stay within a group of eight; ``gone`` items are taken out, ``more`` come to every user's group."""
    rng = np.random.default_rng(seed)
    rows = []
    for user in users:
        taken = [one * 8 + user % 8 for one in rng.choice(10, int(rng.integers(4, 10)), replace=False)]
        rows += [(f"u{user}", f"i{item}", at) for at, item in enumerate(taken) if item not in gone]
        rows += [(f"u{user}", f"n{one}", -1) for one in more if one % 8 == user % 8]
    user, item, time = zip(*rows)
    return Interactions.from_columns(user=user, item=item, timestamp=time)


FIRST = events(0, range(120))
SECOND = events(1, range(160), gone={3}, more=range(8))


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    folder = tmp_path_factory.mktemp("first") / "run"
    train_interactions(FIRST, spec="OPQ2,IVF4,PQ2x4", out=folder, dim=8, **(OPTIONS | {"steps": 80}))
    return folder


def follow(first, out, **options):
    return train_interactions(SECOND, previous_run=first, out=out, **(OPTIONS | options))


def test_few_rows_change_and_a_delta_carries_them(first, tmp_path):
    shares = []
    for stability in (0, 0.5, 1e6):
        out = tmp_path / f"{stability}"
        metrics = follow(first, out, stability=stability)
        old, new = open_bundle(first), open_bundle(out)
        counts = diff_bundles(old, new).counts()
        assert metrics["changes"] == counts
        assert counts["same_fingerprint"]
        assert (counts["added"], counts["removed"], counts["kept"]) == (8, 1, 79)
        shares.append(counts["changed_share"])
        assert metrics["index"]["recall@10"] > 0.3
        # What the index in service is after the delta is the new index, row for row by id.
        shutil.copytree(first / "bundle", tmp_path / "served" / "bundle")
        facts = write_delta(old, new, tmp_path / "delta.parquet")
        assert (facts["added"], facts["replaced"], facts["deleted"]) == (8, counts["changed"], 1)
        with BundleEditor(tmp_path / "served") as editor:
            editor.apply(tmp_path / "delta.parquet")
        assert rows(open_bundle(tmp_path / "served")) == rows(new)
        shutil.rmtree(tmp_path / "served")
    assert shares[0] > shares[1] > shares[2] == 0


def rows(bundle):
    return {one: (at, *code) for one, at, code in zip(bundle.ids, bundle.lists.tolist(), bundle.codes.tolist())}


def test_codes_are_the_cheapest_by_error_and_price(first, tmp_path):
    follow(first, tmp_path / "next", stability=0.5)
    old, run = load_run(first), load_run(tmp_path / "next")
    index, bundle = run.model.index, run.bundle

    def error(model, vectors, bundle, rows):
        x = torch.nn.functional.normalize(torch.from_numpy(vectors))
        decoded = model.index.decode(torch.tensor(bundle.codes[rows]).long(), torch.tensor(bundle.lists[rows]).long())
        return (x - decoded).square().sum(1).numpy()

    both = [one for one in bundle.ids if one in set(old.bundle.ids)]
    before, now = old.bundle.row_of(both), bundle.row_of(both)
    margin = 0.5 * error(old.model, old.items(np.arange(80)), old.bundle, np.arange(80)).mean()
    vectors = run.items(now)  # a fresh run's rows are item numbers
    by_old = error(run.model, vectors, old.bundle, before)
    codes, lists = index.encode(torch.from_numpy(vectors))
    nearest = type("Codes", (), {"codes": codes.numpy(), "lists": lists.numpy()})
    saved = by_old - error(run.model, vectors, nearest, np.arange(len(both)))
    stayed = (old.bundle.codes[before] == bundle.codes[now]).all(1) & (old.bundle.lists[before] == bundle.lists[now])
    assert stayed.sum() > 0
    np.testing.assert_array_equal(stayed, saved <= margin)
    np.testing.assert_array_equal(bundle.codes[now][~stayed], codes.numpy()[~stayed])


def test_validation_and_mining_score_the_codes_that_are_kept(first):
    run, numbers = load_run(first), np.arange(80)
    model, bundle = run.model, run.bundle
    model.kept = PreviousRun(first).stable_codes(FIRST, stability=1e9)
    with torch.no_grad():
        for parameter in model.towers.parameters():
            parameter.add_(torch.randn_like(parameter))
    served = model.index.decode(torch.tensor(bundle.codes).long(), torch.tensor(bundle.lists).long())
    moved = model.index.decode(*model.index.encode(torch.from_numpy(run.items(numbers))))
    assert not torch.allclose(served, moved)
    with torch.no_grad():
        torch.testing.assert_close(model.scored_vectors(torch.arange(80)), served)
    queries = np.eye(8, dtype=np.float32)
    scores = index_scorer(model, run.items(numbers), nprobe=4).scores(queries)
    np.testing.assert_allclose(scores, served.numpy().T, atol=1e-6)


def test_an_index_that_stays_has_no_words_moved_that_nothing_uses(first, tmp_path, monkeypatch):
    from poeem.training.recipes import interactions as recipe

    def searching_often(*args, **options):
        model = build_model(*args, **options)
        model.index.reseed_every = 3
        return model

    build_model = recipe.build_model
    monkeypatch.setattr(recipe, "build_model", searching_often)
    assert follow(first, tmp_path / "next", stability=0)["changes"]["same_fingerprint"]


def test_weights_and_arrays_are_those_of_the_start(first, tmp_path):
    # At so low a rate nothing moves.
    follow(first, tmp_path / "next", stability=0, lr=1e-12)
    old, new = load_run(first), load_run(tmp_path / "next")
    for name, array in old.bundle.arrays.items():
        np.testing.assert_array_equal(new.bundle.arrays[name], array)
    ids = [one for one in SECOND.item_ids if one.startswith("i")]
    places = [np.searchsorted(run.interactions.item_ids.astype(str), ids) for run in (old, new)]
    np.testing.assert_allclose(new.items(places[1]), old.items(places[0]), atol=1e-6)
    assert new.bundle.training["steps"] == 40
    _, found = recommend(new, new.histories.take(np.arange(3)), k=5)
    assert (found >= 0).all()


def test_without_stability_the_index_is_trained_on(first, tmp_path):
    metrics = follow(first, tmp_path / "next")
    assert not metrics["changes"]["same_fingerprint"]
    assert metrics["index"]["recall@10"] > 0.3
    assert metrics["settings"]["start"]["steps"] == 80


def test_a_third_version_follows_a_second_and_counts_all_steps(first, tmp_path):
    follow(first, tmp_path / "second", stability=0.5)
    metrics = train_interactions(
        SECOND,
        previous_run=tmp_path / "second",
        stability=0.5,
        out=tmp_path / "third",
        **(OPTIONS | {"baselines": ("opq",)}),
    )
    assert metrics["settings"]["start"]["steps"] == 120
    assert metrics["changes"]["same_fingerprint"]
    # The float twin has had the steps of all three.
    settings = json.loads((tmp_path / "third" / "checkpoints" / "float" / "settings.json").read_text())
    assert settings["until"] == 160


def test_codes_of_the_bundle_in_service_count_not_those_of_its_training(first, tmp_path):
    shutil.copytree(first, tmp_path / "served")
    with BundleEditor(tmp_path / "served") as editor:
        editor.replace(["i5"], -load_run(first).items(np.array([5])))
        editor.delete(["i7"])
    metrics = follow(tmp_path / "served", tmp_path / "next", stability=1e6)
    assert metrics["changes"]["changed"] == 0
    assert metrics["changes"]["added"] == 9
    served, new = open_bundle(tmp_path / "served"), open_bundle(tmp_path / "next")
    assert rows(served)["i5"] == rows(new)["i5"] != rows(open_bundle(first))["i5"]


@pytest.mark.parametrize(
    "way", [{"tower": "sequence"}, {"item_table": "compressed", "table_bytes": 4}, {"spec": "RQ2x4"}], ids=str
)
def test_every_structure_goes_on(tmp_path, way):
    options = {"spec": "OPQ2,IVF4,PQ2x4", "dim": 8} | OPTIONS | {"steps": 20}
    train_interactions(FIRST, out=tmp_path / "first", **(options | way))
    metrics = follow(tmp_path / "first", tmp_path / "next", stability=1, steps=10, hard_negatives=2, distill=0.5)
    assert metrics["settings"].items() >= ({k: v for k, v in way.items() if k != "spec"}).items()
    assert metrics["changes"]["same_fingerprint"]
    load_run(tmp_path / "next")


def test_items_of_a_compressed_table_keep_their_codes(tmp_path):
    table = {"item_table": "compressed", "table_bytes": 4}
    train_interactions(FIRST, out=tmp_path / "first", **({"spec": "PQ2x4", "dim": 8} | OPTIONS | {"steps": 5} | table))
    follow(tmp_path / "first", tmp_path / "next", stability=1, steps=5)
    runs = [load_run(tmp_path / name) for name in ("first", "next")]
    _, there, here = np.intersect1d(*(run.interactions.item_ids for run in runs), return_indices=True)
    assert 0 < len(there) < len(runs[1].interactions.item_ids)
    old, new = (run.model.towers.item.table.codes for run in runs)
    assert torch.equal(new[here], old[there])


def test_a_resumed_run_ends_where_an_uninterrupted_one_does(first, tmp_path, monkeypatch):
    from poeem.training import train_model

    whole = follow(first, tmp_path / "whole", stability=0.5, checkpoint_every=10)
    run_steps = train_model.run_steps

    def stop(*args, save, **options):
        def failing(step):
            save(step)
            raise KeyboardInterrupt

        return run_steps(*args, save=failing, **options)

    monkeypatch.setattr(train_model, "run_steps", stop)
    with pytest.raises(KeyboardInterrupt):
        follow(first, tmp_path / "part", stability=0.5, checkpoint_every=10)
    monkeypatch.undo()
    again = follow(first, tmp_path / "part", stability=0.5, checkpoint_every=10, resume=True)
    assert again["index"] == whole["index"]
    assert rows(open_bundle(tmp_path / "part")) == rows(open_bundle(tmp_path / "whole"))
    with pytest.raises(ValueError, match=r"stability \(=1\) differs"):
        follow(first, tmp_path / "part", stability=1, checkpoint_every=10, resume=True)
    with pytest.raises(ValueError, match=r"stability \(=None\) differs"):
        follow(first, tmp_path / "part", checkpoint_every=10, resume=True)
    with pytest.raises(ValueError, match=r"start \(=None\) differs"):
        train_interactions(SECOND, spec="OPQ2,IVF4,PQ2x4", dim=8, out=tmp_path / "part", resume=True, **OPTIONS)


def test_a_start_of_which_nothing_is_left_is_refused(tmp_path):
    _, item = np.unique(FIRST.item, return_inverse=True)
    first = Interactions.from_columns(user=FIRST.user, item=item, timestamp=FIRST.timestamp)
    train_interactions(first, spec="PQ2x4", out=tmp_path / "first", dim=8, **(OPTIONS | {"steps": 4}))
    with BundleEditor(tmp_path / "first") as editor:
        editor.add([1000], np.ones((1, 8)))
        editor.delete(first.item_ids)
    with pytest.raises(ValueError, match=r"no item \(such as 0\) is among .* \(such as 1000\)"):
        train_interactions(first, previous_run=tmp_path / "first", out=tmp_path / "next", **OPTIONS)
    grown = Interactions.from_columns(
        user=np.append(FIRST.user, 0), item=np.append(item, 1000), timestamp=np.append(FIRST.timestamp, 99)
    )
    with pytest.raises(ValueError, match="none of the items that the run was trained on is left"):
        train_interactions(grown, previous_run=tmp_path / "first", stability=1, out=tmp_path / "next", **OPTIONS)
    assert not (tmp_path / "next").exists()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"stability": -1}, r"stability \(=-1\) must be 0 or more"),
        ({"stability": float("inf")}, r"stability \(=inf\) must be 0 or more"),
        ({"stability": 1, "estimator": "soft"}, r"estimator \(='soft'\)"),
        ({"spec": "PQ2x4"}, r"spec \(='PQ2x4'\) differs from the previous run's \(='OPQ2,IVF4,PQ2x4'\)"),
        ({"dim": 16}, r"dim \(=16\) differs from the previous run's \(=8\)"),
        ({"tower": "sequence"}, "tower"),
        ({"metric": "ip"}, "metric"),
    ],
    ids=str,
)
def test_what_does_not_go_with_the_start_is_refused(first, tmp_path, wrong, message):
    with pytest.raises(ValueError, match=message):
        follow(first, tmp_path / "next", **wrong)
    assert not (tmp_path / "next").exists()


def test_a_start_that_is_none_is_refused(first, tmp_path):
    with pytest.raises(ValueError, match="needs a previous run"):
        train_interactions(FIRST, out=tmp_path / "next", stability=1, dim=8, **OPTIONS)
    with pytest.raises(FileNotFoundError, match="no run at"):
        follow(tmp_path / "none", tmp_path / "next")
    others = Interactions.from_columns(user=FIRST.user, item=FIRST.item, timestamp=FIRST.timestamp)
    with pytest.raises(ValueError, match="item ids are integers, those of the previous run strings"):
        train_interactions(others, previous_run=first, out=tmp_path / "next", **OPTIONS)
    strangers = Interactions.from_columns(user=FIRST.user, item=[f"x{one}" for one in FIRST.item])
    with pytest.raises(ValueError, match=r"no item \(such as 'x0'\) is among those of the previous run"):
        train_interactions(strangers, previous_run=first, out=tmp_path / "next", **OPTIONS)
    assert not (tmp_path / "next").exists()


def test_by_the_command_line(first, tmp_path, capsys):
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = {"user": SECOND.user_ids[SECOND.user], "item": SECOND.item_ids[SECOND.item], "timestamp": SECOND.timestamp}
    pq.write_table(pa.table(table), tmp_path / "events.parquet")
    arguments = ["train", "--interactions", tmp_path / "events.parquet", "--from", first, "--out", tmp_path / "next"]
    arguments += ["--stability", 0.5, "--steps", 20, "--batch-size", 64, "--baselines", "none", "--device", "cpu"]
    assert main(list(map(str, arguments))) == 0
    assert "of 79 rows rewritten" in capsys.readouterr().out
    delta = ["export", tmp_path / "next", "--delta", first, "--out", tmp_path / "delta.parquet", "--json"]
    assert main(list(map(str, delta))) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["added"] == 8
    assert main(["train", "--dataset", "ml-1m", "--stability", "1", "--out", str(tmp_path / "x")]) == 2
