"""Wrong FastScan, refined and on-disk files are caught and not kept."""

from __future__ import annotations

import os
from dataclasses import replace

import faiss
import numpy as np
import pytest

from poeem.engines.export import export
from poeem.engines.faiss import build, write
from poeem.engines.self_check import EngineMismatch
from tests.engines.faiss.queries import near, split


def with_wrong_quantizer(bundle, nprobe, **forms):
    """An L2 quantizer under inner product: FastScan takes its distances for a part of the score."""

    def l2(bundle, nprobe, *, hnsw):
        quantizer = faiss.IndexFlatL2(bundle.dim)
        quantizer.add(bundle.arrays["coarse"])
        return quantizer

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(build, "coarse_quantizer", l2)
        return build.build_index(bundle, nprobe, **forms)


def with_swapped_rotation(bundle, nprobe, **forms):
    arrays = {**bundle.arrays, "rotation": bundle.arrays["rotation"].T}
    return build.build_index(replace(bundle, arrays=arrays), nprobe, **forms)


def with_shuffled_ids(bundle, nprobe, **forms):
    return build.build_index(replace(bundle, ids=np.roll(bundle.ids, 1)), nprobe, **forms)


def with_shuffled_vectors(bundle, nprobe, **forms):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("poeem.engines.faiss.refine.check_item_vectors", lambda bundle, vectors: None)
        return build.build_index(bundle, nprobe, **{**forms, "vectors": np.roll(forms["vectors"], 1, axis=0)})


@pytest.mark.parametrize(
    ("wrong", "options"),
    [
        (with_wrong_quantizer, {"fastscan": True}),
        (with_swapped_rotation, {"fastscan": True}),
        (with_shuffled_ids, {"fastscan": True}),
        (with_swapped_rotation, {"hnsw": True}),
        (with_shuffled_ids, {"hnsw": True}),
        (with_swapped_rotation, {"refine": "fp16"}),
        (with_shuffled_ids, {"refine": "sq8"}),
        (with_shuffled_vectors, {"refine": "flat"}),
        (with_shuffled_vectors, {"refine": "sq8"}),
    ],
)
@pytest.mark.parametrize("bytes_checked", [True, False])
def test_a_wrong_form_is_caught_and_not_kept(make_bundle, tmp_path, monkeypatch, wrong, options, bytes_checked):
    bundle = make_bundle("OPQ8,IVF8,PQ8x4", "ip", rows=1000)
    if "refine" in options:
        options = {**options, "vectors": near(bundle)}
    export(bundle, "faiss", tmp_path / "right.faiss", **options)
    monkeypatch.setattr(write, "build_index", wrong)
    if not bytes_checked:
        monkeypatch.setattr(write, "_check_rows", lambda bundle, index: None)
    with pytest.raises(EngineMismatch, match="nothing was kept"):
        export(bundle, "faiss", tmp_path / "x.faiss", **options)
    assert not list(tmp_path.glob("x.faiss*"))
    assert not list(tmp_path.glob(".x*"))


@pytest.mark.parametrize(
    ("spec", "options"), [("IVF8,RQ3x6", {"residual_quantizer": True}), ("IVF8,RQ8x4", {"fastscan": True})]
)
def test_the_wrong_quantizer_is_caught_under_additive_codes_too(make_bundle, tmp_path, monkeypatch, spec, options):
    monkeypatch.setattr(write, "build_index", with_wrong_quantizer)
    with pytest.raises(EngineMismatch, match="does not score as the reference"):
        export(make_bundle(spec, "ip"), "faiss", tmp_path / "x.faiss", **options)


@pytest.mark.parametrize("spoil", ["codes", "ids", "rows"])
def test_wrong_lists_on_disk_are_caught_and_not_kept(make_bundle, tmp_path, monkeypatch, spoil):
    from poeem.engines.faiss import on_disk

    bundle = make_bundle("IVF8,PQ4", "ip")

    def wrong(part, nprobe, **forms):
        changed = {
            "codes": {"codes": np.roll(part.codes, 1, axis=0)},
            "ids": {"ids": np.roll(part.ids, 1)},
            "rows": {"ids": part.ids[:-1], "codes": part.codes[:-1], "lists": part.lists[:-1]},
        }[spoil]
        return build.build_index(replace(part, **changed) if len(part) else part, nprobe, **forms)

    monkeypatch.setattr(on_disk, "build_index", wrong)
    with pytest.raises(EngineMismatch, match="nothing was kept"):
        export(bundle, "faiss", tmp_path / "x.faiss", parts=split(bundle))
    assert os.listdir(tmp_path) == ["bundle"]


def test_swapped_rotation_on_disk_is_caught_by_the_scores(make_bundle, tmp_path, monkeypatch):
    from poeem.engines.faiss import on_disk

    monkeypatch.setattr(on_disk, "build_index", with_swapped_rotation)
    with pytest.raises(EngineMismatch, match="over 300 rows in parts: worst error"):
        export(make_bundle(), "faiss", tmp_path / "x.faiss", on_disk=True)
    assert os.listdir(tmp_path) == ["bundle"]
