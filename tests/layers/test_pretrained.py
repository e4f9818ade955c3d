"""save_pretrained, from_pretrained and push_to_hub of an index; all offline."""

from __future__ import annotations

import json
import os
import shutil

import huggingface_hub
import numpy as np
import pytest
import torch
from huggingface_hub import PyTorchModelHubMixin
from torch import nn

import poeem
from poeem.layers.choices import BeamSearch, ScoreAware, Soft
from poeem.layers.coarse import CoarseQuantizer
from poeem.layers.pretrained import config_of

X = torch.randn(400, 16, generator=torch.Generator().manual_seed(0))
KINDS = {
    "rq": ("IVF8,RQ2x4", {"assignment": BeamSearch(4), "seed": 3}),
    "opq": ("OPQ4,PQ4x4", {"metric": "ip", "estimator": Soft(0.5), "assignment": ScoreAware(3.0)}),
    "polar": ("OPQ4,IVF8,PQ4x4", {"metric": "l2", "rotation": "polar", "estimator": "task", "warmup_steps": 7}),
    "cayley": ("OPQ4,PQ4x4", {"rotation": "cayley", "assignment": "balanced", "reseed_every": 0}),
}


def trained(spec: str, **options) -> poeem.EmbeddingIndex:
    """An index after a warm start and two steps, with a query adapter."""
    index = poeem.EmbeddingIndex(16, spec, **options)
    index.warm_start(X)
    index.set_query_adapter(torch.eye(16) * 2)
    optimizer = torch.optim.Adam(index.parameters(), 1e-2)
    for _ in range(2):
        out = index(X)
        (out.distortion + out.embedding.square().mean()).backward()
        optimizer.step()
        optimizer.zero_grad()
    return index


@pytest.mark.parametrize("kind", KINDS)
def test_an_index_comes_back_equal(kind, tmp_path):
    spec, options = KINDS[kind]
    index = trained(spec, **options)
    index.save_pretrained(tmp_path / "index")
    assert {path.name for path in (tmp_path / "index").iterdir()} == {"config.json", "model.safetensors", "README.md"}
    loaded = poeem.EmbeddingIndex.from_pretrained(tmp_path / "index")
    assert not loaded.training
    assert config_of(loaded) == config_of(index)
    for name, array in index.arrays().items():
        np.testing.assert_array_equal(loaded.arrays()[name], array)
    (codes, lists), (expected, expected_lists) = loaded.encode(X), index.encode(X)
    assert torch.equal(codes, expected)
    assert lists is expected_lists is None or torch.equal(lists, expected_lists)
    # Training goes on as it would have: the step and the counts are there too.
    assert loaded.step == index.step
    assert loaded.usage() == index.usage()


def test_an_index_before_its_warm_start_collects_on(tmp_path):
    index = poeem.EmbeddingIndex(16, "RQ2x4", buffer_rows=64)
    index(X[:40])
    index.save_pretrained(tmp_path)
    loaded = poeem.EmbeddingIndex.from_pretrained(tmp_path).train()
    assert not loaded.ready
    loaded(X[40:80])
    assert loaded.ready


def test_centroids_of_different_norms_come_back(tmp_path):
    index = poeem.EmbeddingIndex(16, "IVF8,PQ4x4", metric="ip")
    index.coarse = CoarseQuantizer(8, 16, equal_norm=False)
    index.warm_start(X)
    index.coarse.set_(X[:8])
    index.save_pretrained(tmp_path)
    np.testing.assert_array_equal(poeem.EmbeddingIndex.from_pretrained(tmp_path).arrays()["coarse"], X[:8])


class Model(nn.Module, PyTorchModelHubMixin):
    """A user's model with an index in it, saved by the mixin of huggingface_hub."""

    def __init__(self, dim: int = 16):
        super().__init__()
        self.tower, self.index = nn.Linear(dim, dim), poeem.EmbeddingIndex(dim, "OPQ4,PQ4x4")


def test_a_model_with_the_mixin_holds_an_index(tmp_path):
    model = Model(dim=16)
    model.index.warm_start(X)
    model.save_pretrained(tmp_path)
    loaded = Model.from_pretrained(tmp_path)
    assert loaded.index.ready
    assert torch.equal(loaded.index.encode(X)[0], model.index.encode(X)[0])


def as_in_the_cache(folder, cache, repo: str) -> None:
    """The layout of a downloaded repository: links in a snapshot to blobs, and a ref."""
    commit, root = "0" * 40, cache / ("models--" + repo.replace("/", "--"))
    (root / "refs").mkdir(parents=True)
    (root / "refs" / "main").write_text(commit)
    for number, path in enumerate(sorted(path for path in folder.rglob("*") if path.is_file())):
        blob, link = root / "blobs" / str(number), root / "snapshots" / commit / path.relative_to(folder)
        blob.parent.mkdir(exist_ok=True)
        link.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, blob)
        link.symlink_to(os.path.relpath(blob, link.parent))


def test_a_repository_in_the_cache_is_read_without_a_network(tmp_path):
    index = trained("RQ2x4")
    index.save_pretrained(tmp_path / "index")
    as_in_the_cache(tmp_path / "index", tmp_path / "cache", "shop/index")
    loaded = poeem.EmbeddingIndex.from_pretrained("shop/index", cache_dir=tmp_path / "cache", local_files_only=True)
    assert torch.equal(loaded.encode(X)[0], index.encode(X)[0])


def test_a_bundle_is_a_repository(tmp_path):
    bundle = trained("IVF8,RQ2x4").eval().bundle(range(400), X, tmp_path / "bundle")
    (tmp_path / "bundle" / "README.md").write_text("# Items of the shop\n")
    as_in_the_cache(tmp_path / "bundle", tmp_path / "cache", "shop/items")
    folder = huggingface_hub.snapshot_download("shop/items", cache_dir=tmp_path / "cache", local_files_only=True)
    downloaded = poeem.open(folder)
    assert downloaded.fingerprint == bundle.fingerprint
    np.testing.assert_array_equal(downloaded.codes, bundle.codes)
    poeem.export(downloaded, "faiss", tmp_path / "items.faiss")


def test_push_uploads_the_files(tmp_path, monkeypatch):
    calls = {}

    class Api:
        def __init__(self, token=None):
            calls["token"] = token

        def create_repo(self, repo_id, *, private, exist_ok):
            calls["private"] = private
            return huggingface_hub.RepoUrl(f"https://huggingface.co/{repo_id}")

        def upload_folder(self, *, repo_id, folder_path, commit_message):
            shutil.copytree(folder_path, tmp_path / "uploaded")
            return f"https://huggingface.co/{repo_id}/commit/1"

    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    index = trained("RQ2x4")
    assert index.push_to_hub("shop/index", token="t", private=True) == "https://huggingface.co/shop/index/commit/1"
    assert calls == {"token": "t", "private": True}
    loaded = poeem.EmbeddingIndex.from_pretrained(tmp_path / "uploaded")
    assert torch.equal(loaded.encode(X)[0], index.encode(X)[0])


def edited(folder, **changes) -> None:
    config = json.loads((folder / "config.json").read_text()) | changes
    (folder / "config.json").write_text(json.dumps(config))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: edited(f, dim=10**6), "there is no quantizer.codebooks of shape"),
        (lambda f: edited(f, spec="OPQ2,RQ"), "hold no index"),
        (lambda f: edited(f, dim=True), "dim .=True. must be of type int"),
        (lambda f: edited(f, metric="angle"), "metric .='angle'. must be one of"),
        (lambda f: edited(f, spec="OPQ2,PQ2x4"), "there is no"),
        (lambda f: (f / "config.json").write_text("[]"), "is not the configuration of an index"),
        (lambda f: (f / "config.json").write_text(" " * 10**6), "is not the configuration of an index"),
        (lambda f: (f / "config.json").unlink(), "config.json cannot be read"),
        (lambda f: (f / "model.safetensors").write_bytes(b"\xff" * 100), "model.safetensors cannot be read"),
        (lambda f: (f / "model.safetensors").unlink(), "model.safetensors cannot be read"),
    ],
)
def test_damaged_files_are_refused(damage, message, tmp_path):
    trained("RQ2x4").save_pretrained(tmp_path)
    damage(tmp_path)
    with pytest.raises(ValueError, match=message):
        poeem.EmbeddingIndex.from_pretrained(tmp_path)


def test_neither_a_folder_nor_a_repository(tmp_path):
    with pytest.raises(ValueError, match="is no folder, and no repository of this name could be read"):
        poeem.EmbeddingIndex.from_pretrained("shop/none", cache_dir=tmp_path, local_files_only=True)
