"""``PUT /items``, ``DELETE /items/{id}`` and ``POST /swap``."""

from __future__ import annotations

import shutil

import numpy as np
import pyarrow as pa
import pytest

import poeem
from poeem.bundle import BundleEditor
from poeem.bundle.lock import BundleLocked
from poeem.serve import changing
from poeem.serve.arrays import ARROW, write_arrow
from tests.serve.shop import DIM, best, serving, write_shop

RNG = np.random.default_rng(4)
NEW = (3 * RNG.standard_normal((3, DIM))).astype("float32")


def similar(client, vectors, **asked):
    answer = client.post("/search", json={"vectors": np.asarray(vectors).tolist(), "nprobe": 4, **asked})
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("spec", ["IVF4,PQ4x4", "PQ4x4", "IVF4,RQ4x4"])
@pytest.mark.parametrize("strings", [False, True])
def test_what_is_acknowledged_is_on_the_disk_and_found(tmp_path, spec, strings):
    folder = write_shop(tmp_path / "shop", spec=spec, strings=strings)
    named = (lambda number: f"i{number}") if strings else int
    with serving(folder) as client:
        answer = client.put("/items", json={"ids": [named(500), named(7)], "vectors": NEW[:2].tolist()}).json()
        assert (answer["added"], answer["replaced"], answer["rows"], answer["revision"]) == (1, 1, 121, 2)
        deleted = client.delete(f"/items/{named(9)}").json()
        assert (deleted["deleted"], deleted["rows"], deleted["revision"]) == (1, 120, 3)
        bundle = poeem.open(folder)
        assert len(bundle) == 120
        assert bundle.pending == 2
        for query in NEW:
            assert similar(client, [query], k=20)["ids"] == best(bundle, [query], 20, 4)
        # A written item is searched for by its new vector.
        found = client.post("/search", json={"item": named(500), "k": 5, "nprobe": 4}).json()["ids"]
        assert found[0] == [id for id in best(bundle, NEW[:1], 6, 4)[0] if id != named(500)][:5]
        assert client.delete(f"/items/{named(9)}").status_code == 404
        assert client.post("/search", json={"item": named(9)}).status_code == 422
    with serving(folder) as client:
        assert client.get("/readyz").json()["rows"] == 120
        assert similar(client, NEW, k=20)["ids"] == best(poeem.open(folder), NEW, 20, 4)


def test_columns_of_written_items_and_conditions_on_them(tmp_path):
    folder = write_shop(tmp_path / "shop")
    with serving(folder) as client:
        columns = {"title": ["lamp", "sofa"], "price": [77, 77]}
        table = pa.table({"id": ["a", "i3"], "vector": NEW[:2].tolist(), **columns})
        body = write_arrow(
            table.cast(pa.schema([*[table.schema.field(n) for n in ("id", "vector", "title", "price")]]))
        )
        assert client.put("/items", content=body, headers={"content-type": ARROW}).json()["added"] == 1
        client.put("/items", json={"ids": ["b", "i4"], "vectors": NEW[1:].tolist()})
        found = similar(client, NEW[:1], k=9, where="price = 77 OR price = 4", columns=["title", "price"])
        shown = dict(zip(found["ids"][0], zip(found["columns"]["title"][0], found["columns"]["price"][0])))
        assert {"a": ("lamp", 77), "i3": ("sofa", 77)}.items() <= shown.items()
        assert all(price in (77, 4) for _, price in shown.values())
        found = similar(client, NEW[:1], k=1000, columns=["title", "price"])
        shown = dict(zip(found["ids"][0], zip(found["columns"]["title"][0], found["columns"]["price"][0])))
        # Without columns an item keeps its own; a new one has none.
        assert (shown["i4"], shown["b"]) == (("title 4", 4), (None, None))
        client.delete("/items/i4")
        assert "i4" not in similar(client, NEW[:1], k=1000, where="price = 4")["ids"][0]
        held = poeem.open(folder)
        assert dict(zip(held.ids.tolist(), held.columns["title"].to_pylist()))["i3"] == "sofa"


def test_wrong_items_change_nothing(tmp_path):
    folder = write_shop(tmp_path / "shop")
    good = NEW[:1].tolist()
    with serving(folder, limits={"max_batch": 4}) as client:
        for body, field in (
            ({"ids": ["a", "a"], "vectors": NEW[:2].tolist()}, "ids"),
            ({"ids": [1], "vectors": good}, "ids"),
            ({"ids": ["a"], "vectors": NEW[:2].tolist()}, "vectors"),
            ({"ids": ["a"], "vectors": [[1.0] * (DIM + 1)]}, "vectors"),
            ({"ids": ["a"], "vectors": [[1e300] * DIM]}, "vectors"),
            ({"ids": ["a"], "vectors": good, "columns": {"title": ["x"]}}, "columns"),
            ({"ids": ["a"], "vectors": good, "columns": {"title": ["x"], "price": ["cheap"]}}, "columns"),
            ({"ids": ["a"], "vectors": good, "columns": {"title": ["x", "y"]}}, "columns"),
            ({"ids": [], "vectors": good}, "ids"),
            ({"ids": ["a"]}, "vectors"),
            ({"ids": ["a"], "texts": ["lamp"]}, "texts"),
            ({"ids": list("abcde"), "vectors": [[1.0] * DIM] * 5}, "vectors"),
            ({"ids": ["a"], "vectors": good, "title": ["x"]}, "title"),
        ):
            answer = client.put("/items", json=body)
            assert (answer.status_code, answer.json()["field"]) == (422, field), (body, answer.text)
        assert client.get("/readyz").json()["revision"] == 1
    assert poeem.open(folder).pending == 0


def test_a_swap_takes_another_version_and_refuses_another_training(tmp_path):
    first = write_shop(tmp_path / "monday")
    second = write_shop(tmp_path / "tuesday", first=1000, seed=5)
    other = write_shop(tmp_path / "other", spec="IVF4,RQ4x4")
    with serving(first) as client:
        before = similar(client, NEW, k=5)
        refused = client.post("/swap", json={"path": "other"})
        assert (refused.status_code, refused.json()["field"]) == (409, "fingerprint")
        assert poeem.open(other).fingerprint in refused.json()["message"]
        for path in ("nothing", "../", "/etc", "monday/../..", "tuesday\x00"):
            refused = client.post("/swap", json={"path": path})
            assert (refused.status_code, refused.json()["field"]) == (422, "path"), path
        assert similar(client, NEW, k=5) == before
        assert client.post("/swap", json={"path": "tuesday"}).json()["revision"] == 2
        assert similar(client, NEW, k=5)["ids"] == best(poeem.open(second), NEW, 5, 4)
        asked = {"path": "other", "fingerprint": poeem.open(other).fingerprint}
        assert client.post("/swap", json=asked).status_code == 200
        assert similar(client, NEW, k=5)["ids"] == best(poeem.open(other), NEW, 5, 4)
        # Changes go to the version in service.
        client.put("/items", json={"ids": ["a"], "vectors": NEW[:1].tolist()})
        assert [len(poeem.open(folder)) for folder in (first, second, other)] == [120, 120, 121]


def test_a_swap_without_path_reads_the_folder_again(tmp_path):
    folder = write_shop(tmp_path / "shop")
    with serving(folder) as client:
        with BundleEditor(folder) as editor:
            editor.add(["a"], NEW[:1])
        assert client.post("/swap", json={}).json()["rows"] == 121
        assert "a" in similar(client, NEW[:1], k=121)["ids"][0]


def test_two_servers_on_one_bundle(tmp_path, monkeypatch):
    """The lock refuses the second writer; when it is free, the second server first takes over what the first wrote."""
    folder = write_shop(tmp_path / "shop")
    with serving(folder) as one, serving(folder) as two:
        assert one.put("/items", json={"ids": ["a"], "vectors": NEW[:1].tolist()}).status_code == 200
        refused = two.put("/items", json={"ids": ["b"], "vectors": NEW[1:2].tolist()})
        assert refused.status_code == 409
        assert "open for changes already" in refused.json()["message"]
        assert refused.headers["Retry-After"] == "1"
        with pytest.raises(BundleLocked):
            BundleEditor(folder)
        monkeypatch.setattr(changing, "IDLE_SECONDS", -1.0)
        one.app.state.service.changing.close_if_idle()
        assert two.put("/items", json={"ids": ["b"], "vectors": NEW[1:2].tolist()}).json()["rows"] == 122
        assert similar(two, NEW, k=30)["ids"] == best(poeem.open(folder), NEW, 30, 4)


def test_a_folder_that_was_trained_again_is_not_changed(tmp_path):
    folder = write_shop(tmp_path / "shop")
    other = write_shop(tmp_path / "other", spec="IVF4,RQ4x4")
    with serving(folder) as client:
        shutil.rmtree(folder / "bundle")
        shutil.copytree(other / "bundle", folder / "bundle")
        refused = client.put("/items", json={"ids": ["a"], "vectors": NEW[:1].tolist()})
        assert refused.status_code == 409
        assert "another training" in refused.json()["message"]
        assert similar(client, NEW, k=3)["ids"]
    assert len(poeem.open(folder)) == 120


def test_an_index_that_cannot_follow_is_built_again(tmp_path, monkeypatch):
    folder = write_shop(tmp_path / "shop")
    with serving(folder) as client:
        version = client.app.state.service.version

        def fails(*_):
            raise MemoryError

        monkeypatch.setattr(version.engine, "upsert", fails)
        assert client.put("/items", json={"ids": ["a"], "vectors": NEW[:1].tolist()}).json()["rows"] == 121
        assert similar(client, NEW, k=30)["ids"] == best(poeem.open(folder), NEW, 30, 4)
