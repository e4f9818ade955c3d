from __future__ import annotations

import json

import faiss
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

import poeem
from poeem.bundle.encoder import Encoder
from poeem.cli.main import main
from poeem.engines.reference import ReferenceScorer
from poeem.training.recipes.vectors import fit_vectors


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    mixing = rng.standard_normal((16, 16)) * np.exp(-np.arange(16)[:, None] / 6)
    items = rng.standard_normal((60, 16))[rng.integers(0, 60, 1200)] + 0.7 * rng.standard_normal((1200, 16))
    rows = rng.integers(0, 1200, 6000)
    queries = items[rows] + 0.5 * rng.standard_normal((6000, 16))
    return (items @ mixing).astype(np.float32), (queries @ mixing).astype(np.float32), rows


@pytest.fixture
def files(data, tmp_path):
    items, queries, rows = data
    np.save(tmp_path / "items.npy", items)
    np.save(tmp_path / "queries.npy", queries)
    pq.write_table(pa.table({"query": np.arange(6000), "item": rows}), tmp_path / "relevance.parquet")
    return tmp_path


def test_fit_returns_an_index_whose_bundle_finds_more(data, tmp_path):
    items, queries, _ = data
    # Of so few items the 50 best of a batch are all there are near: a deeper list says more.
    fitted = fit_vectors(items, queries[:5000], spec="RQ4x4", epochs=3, batch_size=64, top=400, show=False)
    assert fitted.result.kept
    exact = np.argsort(-(queries[5000:] @ items.T), axis=1)[:, :10]
    plain = poeem.EmbeddingIndex(16, "RQ4x4", metric="ip")
    plain.warm_start(torch.from_numpy(items))
    plain.eval()

    def recall(index, name):
        bundle = index.bundle(np.arange(1200), items, tmp_path / name)
        _, found = ReferenceScorer(bundle).search(queries[5000:], 10)
        return np.mean([len(set(a) & set(b)) / 10 for a, b in zip(found, exact)])

    assert recall(fitted.layer, "fitted") > recall(plain, "plain") + 0.01


def test_without_queries_items_play_them_and_it_says_so(data):
    fitted = fit_vectors(data[0], spec="PQ2x4", epochs=1, show=False)
    assert any("items serve as queries" in note for note in fitted.notes)
    assert "recall@100" not in fitted.exact


def test_says_when_labelled_queries_are_too_few_to_judge(data):
    items, queries, rows = data
    pairs = np.stack([np.arange(300), rows[:300]], axis=1)
    fitted = fit_vectors(items, queries[:300], relevance=pairs, spec="PQ2x4", epochs=0.1, show=False)
    assert any("300 queries are too few to hold out one in ten" in note for note in fitted.notes)
    assert "recall@100" not in fitted.exact


def test_starts_from_an_index_in_service_and_keeps_its_codes(data, files, tmp_path):
    items = data[0]
    stock = faiss.index_factory(16, "OPQ4,PQ4x4", faiss.METRIC_INNER_PRODUCT)
    stock.train(items)
    stock.add(items)
    faiss.write_index(stock, str(files / "served.faiss"))
    out = tmp_path / "run"
    arguments = ["--items", "items.npy", "--queries", "queries.npy", "--from-faiss", "served.faiss"]
    arguments = [str(files / one) if one.endswith(("npy", "faiss")) and one[0] != "-" else one for one in arguments]
    assert main(["fit", *arguments, "--codes", "fixed", "--epochs", "2", "--out", str(out)]) == 0
    bundle, served = poeem.open(out), poeem.from_faiss(stock)
    assert (bundle.codes == served.codes).all()
    np.testing.assert_allclose(bundle.arrays["rotation"], served.arrays["rotation"], atol=1e-6)
    assert (bundle.arrays["codebooks"] != served.arrays["codebooks"]).any()
    np.testing.assert_allclose(bundle.arrays["encoder_codebooks"], served.arrays["codebooks"])
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["index"]["neighbour_recall@10"] > metrics["warm_start"]["neighbour_recall@10"]


@pytest.mark.parametrize(
    ("spec", "options", "facts"),
    [
        ("RQ4x4", {}, {"beam": 8}),
        ("IVF4,PQ4x4", {"assignment": "score-aware"}, {"assignment": "score-aware", "eta": 2.0}),
    ],
)
def test_a_bundle_of_fixed_codes_says_how_new_items_are_encoded(data, tmp_path, spec, options, facts):
    items, queries, _ = data
    fitted = fit_vectors(
        items[:1000], queries, spec=spec, codes="fixed", epochs=1, max_queries=1000, show=False, **options
    )
    assert fitted.codes is not None
    bundle = poeem.open(fitted.bundle(np.arange(1000), items[:1000], tmp_path / "b").path)
    assert facts.items() <= dict(bundle.training).items()
    codes, lists = Encoder(bundle).encode(items[1000:])
    expected, expected_lists = fitted.layer.encode(torch.from_numpy(items[1000:]))
    np.testing.assert_array_equal(codes, expected)
    assert lists is None or (lists == expected_lists.numpy()).all()


def test_labels_by_file(files, tmp_path, capsys):
    arguments = ["--items", "items.npy", "--queries", "queries.npy", "--relevance", "relevance.parquet"]
    arguments = [one if one.startswith("-") else str(files / one) for one in arguments]
    command = ["fit", *arguments, "--index", "PQ4x4", "--epochs", "2", "--out", str(tmp_path / "run"), "--json"]
    assert main(command) == 0
    metrics = json.loads(capsys.readouterr().out)
    assert metrics["judged_by"] == "held-out labels"
    assert set(metrics["float"]) == {
        "recall@10", "recall@100", "precision@100", "ndcg@10", "mrr@10", "neighbour_recall@10", "queries", "intervals",
    }  # fmt: skip
    assert metrics["index"]["recall@100"] >= metrics["warm_start"]["recall@100"]


def test_parts_of_a_recipe_by_the_command_line(files, tmp_path, monkeypatch):
    """What the papers differ in can be put together by hand: here RepCONC."""
    from poeem.training.recipes import vectors

    seen = {}
    fit_frozen = vectors.fit_frozen
    monkeypatch.setattr(
        vectors,
        "fit_frozen",
        lambda layer, data, options, **rest: (
            seen.update(vars(options), layer=layer) or fit_frozen(layer, data, options, **rest)
        ),
    )
    arguments = ["--items", "items.npy", "--queries", "queries.npy", "--relevance", "relevance.parquet"]
    arguments = [one if one.startswith("-") else str(files / one) for one in arguments]
    parts = ["assignment=balanced", "distill_weight=0", "distortion_weight=1", "list_weight=0.5", "top=20"]
    parts = [word for part in parts for word in ("--set", part)]
    out = tmp_path / "run"
    assert main(["fit", *arguments, "--index", "IVF4,PQ4x4", *parts, "--epochs", "1", "--out", str(out)]) == 0
    assert seen["layer"].quantizer.assignment == "balanced"
    assert [seen[name] for name in ("distill_weight", "label_weight", "distortion_weight", "list_weight")] == [
        0,
        1,
        1,
        0.5,
    ]
    # Outside training the nearest codeword is taken, also by readers of the bundle.
    assert (poeem.open(out).codes < 16).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"spec": "RQ8"}, r"items \(=1200 rows\)|fewer|must"),
        ({"spec": "PQ4x4", "codes": "frozen"}, r"codes \(='frozen'\) must be one of"),
        ({"spec": "PQ4x4", "epochs": 0}, r"epochs \(=0\)"),
        ({"spec": "PQ4x4", "train_codebooks": False, "adapter": False}, r"leave nothing to train"),
        ({"spec": "PQ4x4", "distill_weight": 0}, r"nothing would be trained.*label_weight \(=1.0\) \(without effect"),
        (
            {"spec": "PQ4x4", "distill_weight": 0, "distortion_weight": 1, "train_codebooks": False},
            "nothing would be trained",
        ),
        ({"spec": "PQ4x4", "ranked_codebooks": False, "adapter": False}, r"nothing would be trained"),
        ({"spec": "PQ4x4", "relevance": [[0, 1]]}, r"relevance needs the queries"),
        ({"spec": "PQ4x4", "assignment": "balanced", "codes": "fixed"}, r"give codes='reassigned' too"),
        (
            {"spec": "RQ4x4", "assignment": "score-aware"},
            r"assignment \(='score-aware'\) chooses codewords slice by slice",
        ),
        ({"spec": "PQ4x4", "list_weight": -1.0}, r"list_weight \(=-1.0\) must be 0 or more"),
        (
            {"spec": "PQ4x4", "train_codebooks": False, "codes": "reassigned"},
            r"codes \(='reassigned'\) change with the codebooks",
        ),
        (
            {"spec": "PQ4x4", "train_codebooks": False, "assignment": "balanced"},
            r"assignment \(='balanced'\) is how codebooks",
        ),
        ({"spec": "PQ4x4", "max_queries": 0}, r"max_queries \(=0\) must be at least 1"),
        ({"spec": "PQ4x4", "top": 0}, r"top \(=0\) must be at least 1"),
        ({"spec": "PQ3"}, r"dim \(=16\) must be divisible"),
    ],
)
def test_refuses_before_any_work(data, options, message):
    items = data[0][:100] if options["spec"] == "RQ8" else data[0]
    with pytest.raises(ValueError, match=message):
        fit_vectors(items, **options)


def test_queries_of_another_width_are_the_users_mistake(files, capsys):
    np.save(files / "narrow.npy", np.ones((5, 3), np.float32))
    code = main(["fit", "--items", str(files / "items.npy"), "--queries", str(files / "narrow.npy"),
                 "--out", str(files / "run")])  # fmt: skip
    assert code == 2
    assert "queries (dim=3) must be as wide as the items (dim=16)" in capsys.readouterr().err
    assert not (files / "run").exists()


def test_mistakes_are_told_by_the_names_of_the_options(files, capsys):
    stock = faiss.index_factory(8, "PQ4x4np", faiss.METRIC_INNER_PRODUCT)
    stock.train(np.random.default_rng(0).standard_normal((600, 8)).astype(np.float32))
    stock.add(np.ones((1200, 8), np.float32))
    faiss.write_index(stock, str(files / "narrow.faiss"))
    binary = faiss.IndexBinaryFlat(16)
    faiss.write_index_binary(binary, str(files / "binary.faiss"))
    (files / "noise.npy").write_bytes(bytes(range(200)))
    for extra, line in (
        (["--index", "PQ3"], "must be divisible"),
        (["--set", "distill_weight=-1"], "distill_weight (=-1.0) must be 0 or more"),
        (
            ["--set", "train_codebooks=false", "--set", "adapter=false"],
            "train_codebooks (=False) and adapter (=False) leave nothing to train",
        ),
        (["--index", "PQ4x4", "--set", "assignment=balanced", "--codes", "fixed"], "give --codes reassigned too"),
        (["--max-queries", "0"], "--max-queries (=0) must be at least 1"),
        (["--from-faiss", "narrow.faiss"], "items (dim=16) must be as wide as the initial index (dim=8)"),
        (["--from-faiss", "binary.faiss"], "is a binary index of faiss; name one of float vectors"),
        (["--queries", "noise.npy"], "noise.npy: cannot be read as .npy (it is not a .npy file)"),
    ):
        named = [str(files / word) if word.endswith(("faiss", "npy")) and word[0] != "-" else word for word in extra]
        assert main(["fit", "--items", str(files / "items.npy"), "--out", str(files / "run"), *named]) == 2
        said = capsys.readouterr().err
        assert line in said
        assert ".cpp" not in said
        assert not (files / "run").exists()


def test_unseen_queries_judge_a_fit(data):
    items, queries, _ = data
    unseen = queries[5000:]
    # Negated queries have the items at the other end of the space as neighbours.
    fitted = fit_vectors(items, -queries[:5000], unseen=unseen, spec="RQ2x4", epochs=0.1, show=False)
    plain = poeem.EmbeddingIndex(16, "RQ2x4", metric="ip")
    plain.warm_start(torch.from_numpy(items))
    decoded = plain.eval().decode(*plain.encode(torch.from_numpy(items))).numpy()
    exact, found = (np.argsort(-(unseen @ x.T), axis=1, kind="stable")[:, :10] for x in (items, decoded))
    recall = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(found, exact)])
    # Items of one code have one score, and their order is not fixed.
    assert fitted.result.warm_start["neighbour_recall@10"] == pytest.approx(recall, abs=0.02)
    assert fitted.result.warm_start["queries"] == len(unseen)


def test_unseen_queries_that_cannot_judge_are_refused(data):
    items, queries, _ = data
    with pytest.raises(ValueError, match=r"unseen \(=20 queries\) are too few to judge a fit; give at least 50"):
        fit_vectors(items, queries, unseen=queries[:20], show=False)
    with pytest.raises(ValueError, match="unseen_relevance needs the queries"):
        fit_vectors(items, queries, unseen_relevance=np.array([[0, 0]]), show=False)
    with pytest.raises(ValueError, match=r"unseen \(dim=8\) must be as wide as the items"):
        fit_vectors(items, queries, unseen=queries[:100, :8], show=False)


def test_unseen_queries_and_labels_by_file(files, tmp_path, capsys):
    arguments = ["--items", "items.npy", "--queries", "queries.npy", "--relevance", "relevance.parquet"]
    arguments += ["--unseen", "queries.npy", "--unseen-relevance", "relevance.parquet"]
    arguments = [one if one.startswith("-") else str(files / one) for one in arguments]
    command = ["fit", *arguments, "--index", "PQ4x4", "--epochs", "0.1", "--out", str(tmp_path / "run"), "--json"]
    assert main(command) == 0
    metrics = json.loads(capsys.readouterr().out)
    assert (metrics["judged_by"], metrics["index"]["queries"]) == ("unseen labels", 1500)
