"""String ids in faiss files: integers that never change, and the map beside the file."""

from __future__ import annotations

import contextlib
import json
import os
from functools import cache

import faiss
import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

import poeem
from poeem.bundle import BundleEditor, open_bundle
from poeem.bundle.int64_ids import int64_ids
from poeem.engines.faiss import from_faiss, open_engine
from poeem.engines.faiss import write as write_module
from poeem.engines.reference import ReferenceScorer
from poeem.engines.refresh import refresh

SPECS = ["OPQ4,IVF8,PQ4", "PQ4", "IVF8,PQ4x4"]


def vectors(n, seed=0):
    return torch.randn(n, 16, generator=torch.Generator().manual_seed(seed))


@cache
def fitted(spec):
    layer = poeem.EmbeddingIndex(16, spec, metric="ip")
    layer.warm_start(vectors(1000))
    return layer.eval()


@pytest.fixture(params=SPECS)
def shop(request, tmp_path):
    bundle = fitted(request.param).bundle([f"item {i}" for i in range(1000)], vectors(1000), tmp_path / "shop")
    poeem.export(bundle, "faiss", tmp_path / "items.faiss", nprobe=8, fastscan=False)
    return bundle


def id_map(folder):
    table = pq.read_table(folder / "items.ids.parquet")
    assert [str(field.type) for field in table.schema] == ["int64", "string"]
    return dict(zip(table["id"].to_pylist(), table["item"].to_pylist())), table.schema.metadata


def stock_ids(folder, queries, k):
    return faiss.read_index(str(folder / "items.faiss")).search(queries, k)[1]


def test_a_server_with_the_map_of_yesterday_never_names_a_wrong_item(shop, tmp_path):
    queries = vectors(20, 3).numpy()
    before, _ = id_map(tmp_path)
    assert {before[one] for one in stock_ids(tmp_path, queries, 1000).ravel().tolist()} == set(shop.ids)
    with BundleEditor(shop.path) as editor:
        editor.delete(["item 0", "item 500"])
        editor.add(["new", "item 0"], vectors(2, 9))
        editor.replace(["item 7"], vectors(1, 11))
    refresh(shop.path, tmp_path / "items.faiss")
    after, _ = id_map(tmp_path)
    now = open_bundle(shop.path)
    assert set(after.values()) == set(now.ids)
    for number, item in before.items():
        assert after.get(number, item) == item
    found = stock_ids(tmp_path, queries, 1000)
    for row, ids in enumerate(ReferenceScorer(now).search(queries, 10, 8)[1]):
        named = [before.get(one, after[one]) for one in found[row, :10].tolist()]
        assert np.mean([a == b for a, b in zip(named, now.ids[ids])]) > 0.8  # equal scores in any order


def test_an_item_has_its_integer_in_every_file_and_after_another_training(shop, tmp_path):
    other = poeem.EmbeddingIndex(16, "PQ4", metric="ip", seed=1)
    other.warm_start(vectors(1000, 5))
    bundle = other.eval().bundle(["b", "item 3"], vectors(2, 5), tmp_path / "other")
    (tmp_path / "next").mkdir()
    poeem.export(bundle, "faiss", tmp_path / "next" / "items.faiss")
    before, after = id_map(tmp_path)[0], id_map(tmp_path / "next")[0]
    assert {one for one, item in before.items() if item == "item 3"} == {
        one for one, item in after.items() if item == "item 3"
    }


def test_the_map_says_what_it_is_of(shop, tmp_path):
    metadata = id_map(tmp_path)[1]
    report = json.loads((tmp_path / "items.faiss.json").read_text())
    assert metadata[b"poeem.fingerprint"].decode() == shop.fingerprint
    assert metadata[b"poeem.version"].decode() == report["items_sha256"]


def test_the_map_is_enough_to_search_and_to_go_back(shop, tmp_path):
    queries = vectors(5, 3).numpy()
    with_bundle, alone = (open_engine(tmp_path / "items.faiss", one) for one in (shop, None))
    for searcher in (with_bundle, alone):
        ids = searcher.search(queries, 10)[1]
        assert ids.tolist() == shop.ids[ReferenceScorer(shop).search(queries, 10, 8)[1]].tolist()
        only = searcher.search(queries, 3, only=["item 1", "item 2"])[1]
        assert set(only[0]) == {"item 1", "item 2", None}
    contents = from_faiss(tmp_path / "items.faiss")
    assert contents.ids.tolist() == shop.ids.tolist()
    np.testing.assert_array_equal(contents.codes, shop.codes)
    again = contents.bundle(tmp_path / "again")
    assert again.fingerprint == shop.fingerprint
    assert again.row_of(["item 9"]) == [9]


def test_items_added_in_memory_get_the_integer_that_the_next_file_has(shop, tmp_path):
    engine = open_engine(tmp_path / "items.faiss")
    engine.add(["new"], vectors(1, 9))
    engine.delete(["item 4"])
    found = engine.search_stored(vectors(1, 9).numpy(), 1000, nprobe=8)[1][0]
    numbers = int64_ids(np.array(["new", "item 4"], object))
    assert numbers[0] in found
    assert numbers[1] not in found


def test_a_map_of_another_version_is_refused(shop, tmp_path):
    file = tmp_path / "items.ids.parquet"
    table = pq.read_table(file)
    other = {**table.schema.metadata, b"poeem.version": b"0" * 64}
    pq.write_table(table.replace_schema_metadata(other), file)
    with pytest.raises(ValueError, match=r"is of another version than 'items\.faiss'"):
        open_engine(tmp_path / "items.faiss")
    swapped = table.set_column(1, "item", table["item"].take(np.arange(1000)[::-1]))
    pq.write_table(swapped, file)
    with pytest.raises(ValueError, match="an integer is not that of its item"):
        open_engine(tmp_path / "items.faiss")
    pq.write_table(table.slice(1), file)
    with pytest.raises(ValueError, match="it has 999 rows"):
        from_faiss(tmp_path / "items.faiss")
    file.write_bytes(b"PAR1")
    with pytest.raises(ValueError, match="cannot be read"):
        open_engine(tmp_path / "items.faiss")
    file.unlink()
    with pytest.raises(ValueError, match=r"needs its bundle.*no map of ids"):
        open_engine(tmp_path / "items.faiss")
    assert open_engine(tmp_path / "items.faiss", shop).search(vectors(1).numpy(), 1)[1].dtype == object
    # The map comes back even though the rows are the same.
    assert refresh(shop, tmp_path / "items.faiss") is not None
    assert refresh(shop, tmp_path / "items.faiss") is None
    assert file.is_file()


def test_integer_ids_need_no_map_and_take_a_former_one_away(shop, tmp_path):
    layer = poeem.EmbeddingIndex(16, "PQ4", metric="ip")
    layer.warm_start(vectors(1000))
    bundle = layer.eval().bundle(np.arange(1000), vectors(1000), tmp_path / "numbers")
    poeem.export(bundle, "faiss", tmp_path / "items.faiss")
    assert not (tmp_path / "items.ids.parquet").exists()
    pq.write_table(pq.read_table(bundle.path / "items.parquet"), tmp_path / "items.ids.parquet")
    poeem.export(bundle, "faiss", tmp_path / "items.faiss")
    assert (tmp_path / "items.ids.parquet").exists()  # not ours to delete


@pytest.mark.parametrize("moment", range(4))
def test_an_export_that_dies_leaves_no_wrong_pair(shop, tmp_path, monkeypatch, moment):
    """Whatever is in place after a death, no integer stands for another item, and the next export goes through."""
    before = id_map(tmp_path)[0]
    with BundleEditor(shop.path) as editor:
        editor.delete(["item 0"])
    calls = iter(range(100))

    def dying(source, target, real=os.replace):
        if next(calls) == moment:
            raise KeyboardInterrupt
        real(source, target)

    with monkeypatch.context() as patched, contextlib.suppress(KeyboardInterrupt):
        patched.setattr(os, "replace", dying)
        refresh(shop.path, tmp_path / "items.faiss")
    numbers = id_map(tmp_path)[0]
    assert all(before[number] == item for number, item in numbers.items())
    if (tmp_path / "items.faiss.json").exists():
        open_engine(tmp_path / "items.faiss")
    poeem.export(shop, "faiss", tmp_path / "items.faiss", nprobe=8)
    assert open_engine(tmp_path / "items.faiss").proven
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".items")] == []


@pytest.mark.parametrize("shop", [spec for spec in SPECS if "IVF" in spec], indirect=True)
def test_lists_on_disk_have_the_same_integers(shop, tmp_path):
    write_module.write_faiss(shop, tmp_path / "disk.faiss", write_module.FaissOptions(on_disk=True))
    ids = open_engine(tmp_path / "disk.faiss").search(vectors(2, 3).numpy(), 5, nprobe=8)[1]
    assert ids.tolist() == open_engine(shop).search(vectors(2, 3).numpy(), 5, nprobe=8)[1].tolist()
