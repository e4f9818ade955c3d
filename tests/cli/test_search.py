"""``poeem search``: items of the index that the training did not know, folders without a model, what it imports."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from poeem.bundle import BundleEditor, open_bundle
from poeem.cli.main import main
from poeem.cli.search import ABOVE_ONE
from poeem.data.interactions import Interactions
from poeem.engines.reference import ReferenceScorer
from poeem.training.load import load_run
from poeem.training.recipes.interactions import train_interactions

HEAVY = [
    "accelerate",
    "datasets",
    "faiss",
    "lance",
    "lancedb",
    "matplotlib",
    "networkx",
    "pandas",
    "polars",
    "pyarrow.dataset",
    "scann",
    "scipy",
    "tensorboard",
    "tokenizers",
    "torch._dynamo",
    "torch._inductor",
    "torch.utils.tensorboard",
    "transformers",
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    rng = np.random.default_rng(0)
    pairs = [(f"u{user}", f"i{item}") for user in range(60) for item in rng.choice(40, 6, replace=False)]
    users, items = zip(*pairs)
    events = Interactions.from_columns(user=users, item=items)
    folder = tmp_path_factory.mktemp("runs") / "run"
    options = {"spec": "RQ2x4", "dim": 8, "steps": 8, "batch_size": 64, "device": "cpu", "baselines": []}
    train_interactions(events, out=folder, show=False, **options)
    return folder


@pytest.fixture
def grown(trained, tmp_path) -> Path:
    """The run with an item added that lies where i3 lies, and i5 deleted."""
    folder = Path(shutil.copytree(trained, tmp_path / "grown"))
    run = load_run(folder)
    with BundleEditor(folder) as editor:
        editor.add(["new"], run.items(np.array([run.interactions.item_ids.tolist().index("i3")])))
        editor.delete(["i5"])
    return folder


def search(capsys, *arguments: str) -> list[dict]:
    assert main(["search", *map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)["results"]


def test_items_like_one_that_was_added_after_the_training(grown, capsys):
    results = search(capsys, grown, "--item", "new", "-k", "5")
    bundle = open_bundle(grown)
    scorer = ReferenceScorer(bundle)
    (row,) = bundle.row_of(["new"])
    scores = scorer.scores(scorer.decode(np.array([row])))[0]
    scores[row] = -np.inf
    assert [result["score"] for result in results] == pytest.approx(np.sort(scores)[::-1][:5])
    # It has the code of i3, which comes first but for other items of that code.
    (place,) = bundle.row_of(["i3"])
    assert results[0]["score"] == pytest.approx(scores[place])
    assert "new" not in [result["id"] for result in results]
    assert "new" in [result["id"] for result in search(capsys, grown, "--item", "i3", "-k", "40")]


def test_items_like_a_trained_one_still_go_by_the_tower(trained, capsys):
    run = load_run(trained)
    number = run.interactions.item_ids.tolist().index("i7")
    scores = ReferenceScorer(run.bundle).scores(run.items(np.array([number])))[0]
    scores[number] = -np.inf
    results = search(capsys, trained, "--item", "i7", "-k", "5")
    assert [result["score"] for result in results] == pytest.approx(np.sort(scores)[::-1][:5])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--item", "i5"], "item (='i5') is not among the 40 known ones"),
        (["--history", "i3,new"], "item (='new') was added after the training"),
        (["--history", "i3,newer"], "item (='newer') is not among the 40 known ones"),
    ],
)
def test_items_that_cannot_be_used(grown, capsys, options, message):
    assert main(["search", str(grown), *options]) == 2
    assert message in capsys.readouterr().err


def test_a_deleted_item_may_stand_in_a_history(grown, capsys):
    assert search(capsys, grown, "--history", "i5,i3", "-k", "2")


def test_a_bundle_without_a_model_has_similar_items_but_no_users(trained, tmp_path, capsys):
    shutil.copytree(trained / "bundle", tmp_path / "fit" / "bundle")
    results = search(capsys, tmp_path / "fit", "--item", "i7", "-k", "40")
    assert len(results) == 39
    assert main(["search", str(tmp_path / "fit"), "--user", "u1"]) == 2
    assert "has no model of queries; search it with --item or --queries" in capsys.readouterr().err
    assert main(["search", str(tmp_path / "none"), "--item", "i7"]) == 2
    assert "there is no such folder" in capsys.readouterr().err


def test_cosine_scores_above_one_are_explained(trained, tmp_path, capsys, monkeypatch):
    shutil.copytree(trained / "bundle", tmp_path / "bundle")
    for scale in (0.5, 2.0):
        scores = ReferenceScorer.scores
        with monkeypatch.context() as patch:
            patch.setattr(ReferenceScorer, "scores", lambda *a, by=scale, of=scores: np.clip(of(*a), -0.9, 0.9) * by)
            assert main(["search", str(tmp_path), "--item", "i7"]) == 0
        assert (ABOVE_ONE in capsys.readouterr().out) == (scale > 1)


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        (["search", "BUNDLE", "--item", "i7"], ["torch"]),
        (["search", "BUNDLE", "--queries", "Q", "--out", "OUT"], ["torch"]),
        (["search", "RUN", "--item", "i7"], []),
        (["search", "RUN", "--user", "u7"], []),
        (["search", "RUN", "--history", "i7,i3", "--json"], []),
        (["search", "--help"], ["torch", "numpy", "pyarrow"]),
        (["--help"], ["torch", "numpy", "pyarrow"]),
        (["--version"], ["torch", "numpy", "pyarrow"]),
    ],
    ids=" ".join,
)
def test_no_heavy_library_is_imported_for_an_answer(trained, arguments, extra, tmp_path):
    """The time of an answer is that of its imports: torch's for a model, no heavy library's for a bundle."""
    np.save(tmp_path / "q.npy", np.ones((1, open_bundle(trained / "bundle").dim), np.float32))
    paths = {"RUN": trained, "BUNDLE": trained / "bundle", "Q": tmp_path / "q.npy", "OUT": tmp_path / "out.npz"}
    command = ["poeem", *(str(paths.get(part, part)) for part in arguments)]
    code = f"""
import sys
sys.argv = {command!r}
from poeem.cli.main import main
code = main()
print([code, *(name for name in {[*HEAVY, *extra]!r} if name in sys.modules)], file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stderr.strip().splitlines()[-1] == "[0]"


def test_pandas_is_still_there_after_it_was_kept_out():
    pytest.importorskip("pandas")
    code = """
import sys
from poeem.cli.process import keep_pandas_out
keep_pandas_out()
import pyarrow as pa
assert pa.array([1, 2]).to_numpy().tolist() == [1, 2]
assert "pandas" not in sys.modules
import pandas
print(pa.table(pandas.DataFrame({"x": [1]}).to_dict("list")).to_pydict())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == "{'x': [1]}"
