from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch

import poeem
from poeem.bundle import BundleEditor
from poeem.engines.reference import ReferenceScorer
from poeem.training.build import build_model
from poeem.training.interactions.run import load_interaction_run
from poeem.training.recipes.interactions import train_interactions
from poeem.training.run_folder import RunFolder


def test_towers_and_index_agree_with_the_bundle(finished, small):
    run = load_interaction_run(finished[0])
    codes, lists = run.model.index.encode(torch.from_numpy(run.items(np.arange(small.n_items))))
    np.testing.assert_array_equal(codes.numpy(), run.bundle.codes)
    np.testing.assert_array_equal(lists.numpy(), run.bundle.lists)
    assert run.bundle.ids.tolist() == small.item_ids.tolist()
    assert run.queries(run.histories).shape == (small.n_users, 8)
    assert not run.model.training


def test_bundle_carries_titles_and_renames_what_it_needs_itself(finished, small):
    columns = load_interaction_run(finished[0]).bundle.columns
    assert columns.column_names == ["title", "item_list"]
    assert columns["title"].equals(small.item_table["title"])


def test_no_run_and_an_unfinished_one_are_told_apart(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no such folder"):
        load_interaction_run(tmp_path / "none")
    with pytest.raises(FileNotFoundError, match="name the folder that a training wrote"):
        load_interaction_run(tmp_path)
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(FileNotFoundError, match="its training is not finished: resume it"):
        load_interaction_run(tmp_path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("model/config.json", "config.json: cannot be read"),
        ("model/weights.safetensors", "weights.safetensors: cannot be read"),
        ("model/interactions.parquet", "interactions.parquet: cannot be read"),
        ("bundle/arrays.safetensors", "arrays.safetensors"),
    ],
)
def test_an_empty_file_is_named(copied, name, message):
    (copied / name).write_bytes(b"")
    with pytest.raises(ValueError, match=message):
        load_interaction_run(copied)


def test_newer_format_is_refused(copied):
    file = copied / "model" / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"format_version": 2}))
    with pytest.raises(ValueError, match=r"version 2, this poeem reads 'poeem run' version 1; upgrade poeem"):
        load_interaction_run(copied)


def test_settings_of_another_version_are_refused(copied):
    file = copied / "model" / "config.json"
    config = json.loads(file.read_text())
    del config["settings"]["views"]
    file.write_text(json.dumps(config))
    with pytest.raises(
        ValueError, match=r"config.json: this version of poeem cannot read its settings \('views'\); use the"
    ):
        load_interaction_run(copied)


@pytest.mark.parametrize("name", ["weights.safetensors", "interactions.parquet", "users.parquet", "items.parquet"])
def test_a_flipped_byte_is_seen(copied, name):
    flip(copied / "model" / name)
    with pytest.raises(ValueError, match=f"{name}: is damaged .*; restore the file, or train again"):
        load_interaction_run(copied)


def test_a_flipped_byte_of_the_float_twin_is_seen(copied):
    folder = RunFolder(copied)
    run = load_interaction_run(copied)
    twin = build_model(run.settings, run.interactions.n_items, indexed=False)
    assert folder.load_float(twin) is not None
    flip(copied / "model" / "float.safetensors")
    with pytest.raises(ValueError, match=r"float.safetensors: is damaged"):
        folder.load_float(twin)
    (copied / "model" / "float.json").write_text("{")
    with pytest.raises(ValueError, match=r"float.json: cannot be read .*; delete it"):
        folder.load_float(twin)


def flip(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def test_model_and_bundle_of_different_trainings_are_refused(copied, small, tmp_path):
    other = tmp_path / "other"
    train_interactions(
        small, spec="PQ2x4", out=other, dim=8, steps=4, batch_size=64, device="cpu", baselines=(), show=False
    )
    shutil.rmtree(copied / "bundle")
    shutil.copytree(other / "bundle", copied / "bundle")
    with pytest.raises(ValueError, match="come from different trainings"):
        load_interaction_run(copied)


def test_vectors_for_plain_faiss(finished, small, tmp_path):
    """A stock index, searched with the query vectors of a run, answers as the run's own search."""
    faiss = pytest.importorskip("faiss")
    run = poeem.load(finished[0])
    users = ["u3", "u0"]
    queries = run.encode_users(users)
    np.testing.assert_allclose(np.linalg.norm(queries, axis=1), 1, atol=1e-5)
    numbers = [small.user_ids.tolist().index(one) for one in users]
    histories = [small.item_ids[run.histories[number]].tolist() for number in numbers]
    np.testing.assert_allclose(run.encode_histories(histories), queries, atol=1e-6)
    raw = run.queries(run.histories.take(np.array(numbers)))
    np.testing.assert_allclose(queries, raw / np.linalg.norm(raw, axis=1, keepdims=True), atol=1e-6)
    poeem.export(run.bundle.path, "faiss", tmp_path / "items.faiss", fastscan=False)
    index = faiss.read_index(str(tmp_path / "items.faiss"))
    scores, _ = index.search(queries, 5)
    np.testing.assert_allclose(scores, ReferenceScorer(run.bundle).search(raw, 5, run.settings["nprobe"])[0], atol=1e-4)
    poeem.export(run.bundle.path, "faiss", tmp_path / "refined.faiss", refine="flat", vectors=run.item_vectors())


def test_item_vectors_are_in_the_order_of_the_bundle(copied, small):
    run = poeem.load(copied)
    vectors = run.item_vectors()
    ids = run.bundle.ids
    np.testing.assert_allclose(run.encode_items(ids[[5, 2]]), vectors[[5, 2]], atol=1e-6)
    with BundleEditor(copied) as editor:
        editor.delete(ids[:3])
    np.testing.assert_allclose(poeem.load(copied).item_vectors(), vectors[3:], atol=1e-6)
    with BundleEditor(copied) as editor:
        editor.add(["new"], vectors[:1])
    with pytest.raises(ValueError, match="item 'new' was added after the training"):
        poeem.load(copied).item_vectors()
    with pytest.raises(ValueError, match="was added after the training"):
        poeem.load(copied).encode_histories([["new"]])


def test_unknown_ids_get_a_hint(finished):
    run = poeem.load(finished[0])
    with pytest.raises(ValueError, match=r"user \(='u33x'\) is not among the 120 known ones; did you mean"):
        run.encode_users(["u3", "u33x"])
    assert run.encode_histories([[], ["i8"]]).shape == (2, 8)
    assert run.encode_items([]).shape == (0, 8)
