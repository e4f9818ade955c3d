"""The recipe for images, on stripes whose direction is the class."""

import json

import numpy as np
import pytest

import poeem
from poeem.cli.main import main
from poeem.data.images.image_set import ImageSet
from poeem.evaluation.class_metrics import class_metrics
from poeem.evaluation.scorers import FloatScorer
from poeem.training.recipes.images import train_images
from tests.report.page import page_of

Image = pytest.importorskip("PIL.Image")

OPTIONS = {"spec": "PQ4x4", "dim": 32, "batch_size": 32, "steps": 12, "show": False, "device": "cpu"}


def stripes(n=120, size=16, seed=0):
    """Stripes of four directions with noise."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, n)
    x, y = np.meshgrid(np.arange(size), np.arange(size))
    along = np.array([[1.0, 0.0], [0.0, 1.0], [0.7, 0.7], [0.7, -0.7]])[labels]
    phase = rng.uniform(0, 6, n)[:, None, None]
    wave = np.sin(1.3 * (along[:, 0, None, None] * x + along[:, 1, None, None] * y) + phase)
    pixels = (128 + 90 * wave + rng.normal(0, 10, (n, size, size))).clip(0, 255).astype(np.uint8)
    return pixels, labels


def image_set(**options):
    pixels, labels = stripes(**options)
    return ImageSet(pixels[..., None], [f"{i}.png" for i in range(len(pixels))], labels, ["-", "|", "/", "\\"])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("images") / "run"
    train_images(image_set(), out, baselines=["itq", "pq", "opq"], pixels=True, **OPTIONS)
    return out


@pytest.fixture
def picture(tmp_path):
    Image.fromarray(stripes(n=1, seed=5)[0][0]).resize((40, 30)).save(tmp_path / "query.png")
    return tmp_path / "query.png"


def test_figures_are_those_of_the_stored_vectors_and_codes(run):
    metrics, loaded = json.loads((run / "metrics.json").read_text()), poeem.load(run)
    assert metrics["data"] == {"images": 120, "gallery": 96, "test_queries": 24, "skipped": 0}
    assert {"float", "index", "symmetric", "baselines", "pixels"} <= metrics.keys()
    # dim 32 holds 16 bits; 96 images suffice for the rotation.
    assert list(metrics["baselines"]) == ["itq", "pq", "opq"]
    # 256 pixels are more than 96 images.
    assert list(metrics["pixels"]) == ["float", "itq", "pq"]
    assert len(metrics["notes"]) == 1
    assert "opq" in metrics["notes"][0]
    gallery = np.setdiff1d(np.arange(120), loaded.queries)
    labels = loaded.labels[loaded.queries], loaded.labels[gallery]
    queries = loaded.vectors[loaded.queries]
    floats = class_metrics(FloatScorer(loaded.vectors[gallery], "cosine"), queries, *labels)
    assert metrics["float"]["map@1000"] == pytest.approx(floats["map@1000"], abs=1e-9)
    decoded = loaded.model.index.decode(loaded.bundle.codes.astype(np.int64))[gallery]
    unit = queries / np.linalg.norm(queries, axis=1, keepdims=True)
    index = class_metrics(FloatScorer(decoded, "ip"), unit, *labels)
    assert metrics["index"]["map@1000"] == pytest.approx(index["map@1000"], abs=1e-6)


def test_the_run_encodes_its_images_as_in_training(run):
    loaded, images = poeem.load(run), image_set()
    found = loaded.encode_images(images.pixels[:7])
    expected = loaded.vectors[:7] / np.linalg.norm(loaded.vectors[:7], axis=1, keepdims=True)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert loaded.bundle.ids.tolist() == list(images.names)
    codes, _ = loaded.model.index.encode(loaded.vectors)
    assert np.mean(codes == loaded.bundle.codes) > 0.99


def test_evaluated_again(run, capsys):
    before = json.loads((run / "metrics.json").read_text())
    assert main(["evaluate", str(run), "--baselines", "lsh"]) == 0
    after = json.loads((run / "metrics.json").read_text())
    assert after["index"] == before["index"]
    assert list(after["baselines"]) == ["lsh"]
    assert "map@1000" in capsys.readouterr().out


@pytest.mark.parametrize("engine", ["faiss", "lance"])
def test_exports_hold_their_self_check(run, engine, tmp_path, capsys):
    options = ["--fastscan"]
    if engine == "lance":
        pytest.importorskip("lance")
        vectors = poeem.load(run).item_vectors()
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
        np.save(tmp_path / "vectors.npy", vectors)
        options = ["--vectors", str(tmp_path / "vectors.npy")]
    assert main(["export", str(run), "--engine", engine, "--out", str(tmp_path / f"items.{engine}"), *options]) == 0
    assert (tmp_path / f"items.{engine}").exists()


def test_search_by_a_file_gives_a_page_with_pictures(run, picture, tmp_path, capsys):
    page = tmp_path / "page.html"
    assert main(["search", str(run), "--image", str(picture), "-k", "5", "--out", str(page)]) == 0
    assert "similar to query.png" in capsys.readouterr().out
    text = page.read_text()
    assert text.count("<img ") == text.count("data:image/png;base64,") + text.count("data:image/jpeg;base64,") == 6
    assert "http" not in text


def test_the_report_shows_pictures_of_what_is_missed(run):
    report = page_of(run)
    # Six queries, each with the 10 nearest by vectors and the 10 by codes.
    assert report.pictures == 6 * (1 + 10 + 10)
    assert {"Precision by recall", "Training", "Lists and codewords", "Examples"} <= set(report.sections)
    # 12 steps hardly train the network, but four directions are told apart better than by chance.
    assert report.classes["same"] + report.classes["other"] == 6 * 20
    assert report.classes["same"] > 6 * 20 / 4
    assert "missed: its code: rank" in report.text


def test_explain_takes_images_as_queries(run, capsys):
    assert main(["explain", str(run), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["queries"] == 24
    assert found["items"] == 120


def test_results_are_json_without_pictures(run, picture, capsys):
    assert main(["search", str(run), "--image", str(picture), "-k", "2", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert set(answer["results"][0]) == {"rank", "id", "title", "score"}
    assert main(["search", str(run), "--item", "3.png", "-k", "2"]) == 0


def test_image_files_are_added_and_found(run, picture, tmp_path, capsys):
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    assert main(["add", str(copy), "--items", str(picture)]) == 0
    assert main(["search", str(copy), "--image", str(picture), "-k", "121", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out.split("\n", 1)[1])
    best = answer["results"][0]["score"]
    (found,) = (result for result in answer["results"] if result["id"] == "query.png")
    assert found["score"] == pytest.approx(best, abs=0.2)
    with pytest.raises(ValueError, match="are no longer those of its training"):
        poeem.load(copy).item_vectors()


def test_resumed_run_ends_as_an_uninterrupted_one(tmp_path):
    images = image_set(n=60)
    whole = train_images(images, tmp_path / "whole", baselines=[], **OPTIONS)
    options = OPTIONS | {"checkpoint_every": 5}

    class Stop(Exception):
        pass

    from poeem.training.recipes import images as recipe

    store, recipe._store = recipe._store, lambda *_: (_ for _ in ()).throw(Stop)
    try:
        with pytest.raises(Stop):
            train_images(images, tmp_path / "cut", baselines=[], **options)
    finally:
        recipe._store = store
    assert sorted(path.name for path in (tmp_path / "cut" / "checkpoints").glob("step-*")) == ["step-10", "step-12"]
    import shutil

    shutil.rmtree(tmp_path / "cut" / "checkpoints" / "step-12")
    resumed = train_images(images, tmp_path / "cut", baselines=[], resume=True, **options)
    assert resumed["index"]["map@1000"] == pytest.approx(whole["index"]["map@1000"], abs=1e-9)


def test_without_classes_neighbours_alone_are_judged(tmp_path, capsys):
    pixels, _ = stripes(n=60)
    np.savez(tmp_path / "a.npz", images=pixels)
    command = ["train", "--images", str(tmp_path / "a.npz"), "--index", "PQ4x4", "--dim", "32", "--steps", "4"]
    command += ["--set", "memory=64", "--set", "debias=0.1", "--set", "share=0.5", "--baselines", "none"]
    assert main([*command, "--no-progress", "--out", str(tmp_path / "run")]) == 0
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert "map@1000" not in metrics["index"]
    assert 0 <= metrics["index"]["neighbour_recall@10"] <= 1
    assert "index, trained jointly" in capsys.readouterr().out


def test_classes_that_can_judge_nothing_are_as_none(tmp_path):
    images = image_set(n=40)
    alone = ImageSet(images.pixels, images.names, np.arange(40), [str(row) for row in range(40)])
    metrics = train_images(alone, tmp_path / "run", baselines=[], **OPTIONS | {"steps": 3})
    assert "map@1000" not in metrics["index"]
    assert "symmetric" not in metrics
    assert 0 <= metrics["index"]["neighbour_recall@10"] <= 1


def test_a_frozen_backbone_is_not_changed(tmp_path, monkeypatch):
    from poeem.towers.image.networks import network
    from poeem.training.images import model as module

    trunk = network("strided", channels=1, size=16)
    before = {name: value.clone() for name, value in trunk.state_dict().items()}
    monkeypatch.setattr(module, "load_backbone", lambda name, *, pretrained: trunk)
    options = OPTIONS | {"backbone": "mine", "steps": 3}
    metrics = train_images(image_set(n=60), tmp_path / "run", baselines=[], **options)
    assert all((value == before[name]).all() for name, value in trunk.state_dict().items())
    assert metrics["settings"]["network"] is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--images", "{tmp}/none"], "no such file or folder; give a folder of"),
        (["--images", "{tmp}/video.mp4"], "cannot be read as images"),
        (["--images", "{tmp}/few.npz"], "needs at least 16 images to train on, there are 8"),
        (["--images", "{tmp}/few.npz", "--user-column", "u"], "goes with"),
        (["--images", "{tmp}/few.npz", "--dataset", "ml-1m"], "give one of"),
        (["--dataset", "fashion-mnist", "--image-size", "32"], "--image-size (=32) goes with --images"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(tmp_path, arguments, message, capsys):
    (tmp_path / "video.mp4").write_bytes(b"x")
    np.savez(tmp_path / "few.npz", images=stripes(n=10)[0])
    out = tmp_path / "out"
    given = [argument.format(tmp=tmp_path) for argument in arguments]
    assert main(["train", *given, "--index", "PQ4x4", "--out", str(out)]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.strip().splitlines()) == 1
    assert not out.exists()


def test_search_of_a_file_that_is_no_image(run, tmp_path, capsys):
    (tmp_path / "x.png").write_text("text")
    assert main(["search", str(run), "--image", str(tmp_path / "x.png")]) == 2
    assert "is no image of a known format" in capsys.readouterr().err
    assert main(["search", str(run), "--image", str(tmp_path / "none.png")]) == 2
    assert main(["search", str(run), "--item", "3.png", "--out", str(tmp_path / "r.npz")]) == 2
    assert "must be a page, FILE.html" in capsys.readouterr().err
