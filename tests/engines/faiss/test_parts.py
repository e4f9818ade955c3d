"""Parts of several workers, and shards."""

from __future__ import annotations

import json

import numpy as np
import pytest

from poeem.engines.export import export
from poeem.engines.faiss import open_engine
from poeem.engines.faiss.read import from_faiss
from poeem.engines.faiss.shards import open_shards
from poeem.engines.reference import ReferenceScorer
from tests.engines.faiss.queries import METRICS, some_queries, split


@pytest.mark.parametrize("metric", METRICS)
def test_parts_of_several_workers_are_one_index(make_bundle, tmp_path, metric):
    bundle = make_bundle("OPQ4,IVF8,PQ4", metric)
    bundles = split(bundle)
    files = []
    for i, part in enumerate(bundles):
        files.append(tmp_path / f"part{i}.faiss")
        export(part, "faiss", files[-1])
    for parts in (bundles, files, [bundles[0], *files[1:]]):
        report = export(bundle, "faiss", tmp_path / "x.faiss", nprobe=8, parts=parts)
        assert report.rows == 300
        assert report.worst_score_error <= 1e-5
        scores, ids = open_engine(tmp_path / "x.faiss").search(some_queries(), 30)
        expected, rows = ReferenceScorer(bundle).search(some_queries(), 30)
        np.testing.assert_array_equal(ids, bundle.ids[rows])
        np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-4)


def test_parts_of_encode_are_one_index(make_bundle, tmp_path):
    from poeem.bundle.ids import ids_to_arrow
    from poeem.bundle.items import Items, write_items

    bundle = make_bundle("IVF8,PQ4x4")
    folder = tmp_path / "parts"
    folder.mkdir()
    for i, part in enumerate(split(bundle)):
        rows = Items(ids_to_arrow(part.ids), part.codes, part.lists, None)
        write_items(folder / f"part-{i:05d}.parquet", rows, bundle.spec.nbits)
    (folder / "_poeem.json").write_text(json.dumps({"fingerprint": bundle.fingerprint}))
    report = export(bundle, "faiss", tmp_path / "x.faiss", parts=folder)
    assert report.rows == 300
    back = from_faiss(tmp_path / "x.faiss")
    np.testing.assert_array_equal(back.codes, bundle.codes[np.argsort(bundle.ids)])
    (folder / "_poeem.json").write_text(json.dumps({"fingerprint": "another"}))
    with pytest.raises(ValueError, match=r"is of another training \(fingerprint another\)"):
        export(bundle, "faiss", tmp_path / "x.faiss", parts=folder)


def test_parts_and_shards_of_another_training_are_refused(make_bundle, tmp_path):
    bundle, other = make_bundle("IVF8,PQ4"), make_bundle("IVF8,PQ4", seed=1, name="other")
    export(bundle, "faiss", tmp_path / "a.faiss")
    export(other, "faiss", tmp_path / "b.faiss")
    for parts in (other, tmp_path / "b.faiss"):
        with pytest.raises(ValueError, match="their codes must not be mixed: encode the items again"):
            export(bundle, "faiss", tmp_path / "x.faiss", parts=[tmp_path / "a.faiss", parts])
    with pytest.raises(ValueError, match="shards are of different trainings, their scores cannot be compared"):
        open_shards([tmp_path / "a.faiss", tmp_path / "b.faiss"])
    with pytest.raises(FileNotFoundError, match=r"no part at .*nowhere"):
        export(bundle, "faiss", tmp_path / "x.faiss", parts=tmp_path / "nowhere")
    (tmp_path / "b.faiss.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"no report 'b.faiss.json' beside"):
        open_shards([tmp_path / "b.faiss"])
    named = make_bundle("IVF8,PQ4", ids=[f"item {i}" for i in range(300)], name="named")
    with pytest.raises(ValueError, match="has string ids, and faiss holds integers"):
        export(bundle, "faiss", tmp_path / "x.faiss", parts=named)
    assert not list(tmp_path.glob("x.faiss*"))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("spec", ["OPQ4,PQ4", "OPQ4,IVF8,PQ4"])
def test_shards_answer_as_one_index(make_bundle, tmp_path, spec, metric):
    bundle = make_bundle(spec, metric)
    files = []
    for i, part in enumerate(split(bundle)):
        files.append(tmp_path / f"part{i}.faiss")
        export(part, "faiss", files[-1], nprobe=3)
    shards, whole = open_shards(files, memory_map=True), open_engine(bundle)
    assert len(shards) == 300
    for nprobe in (3, 8):
        scores, ids = shards.search(some_queries(), 25, nprobe)
        expected, expected_ids = whole.search(some_queries(), 25, nprobe)
        np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-5)
        np.testing.assert_array_equal(ids, expected_ids)
    threshold = float(np.median(expected[:, 10]))
    limits, scores, ids = shards.range_search(some_queries(), threshold, 8)
    limits_one, scores_one, ids_one = whole.range_search(some_queries(), threshold, 8)
    np.testing.assert_array_equal(limits, limits_one)
    np.testing.assert_array_equal(ids, ids_one)
    np.testing.assert_allclose(scores, scores_one, rtol=1e-5, atol=1e-5)
