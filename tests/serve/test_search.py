"""``POST /search`` against the reference scorer."""

from __future__ import annotations

import io
import time

import numpy as np
import pyarrow as pa
import pytest

import poeem
from poeem.engines.reference import ReferenceScorer
from poeem.serve.arrays import ARROW, NPY, write_arrow
from tests.serve.shop import DIM, best, serving, write_shop

QUERIES = np.random.default_rng(3).standard_normal((5, DIM)).astype("float32")


def npy(array) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def wait_for(condition) -> None:
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.001)


@pytest.mark.parametrize("spec", ["IVF4,PQ4x4", "PQ4x4", "IVF4,RQ4x4"])
@pytest.mark.parametrize("strings", [False, True])
def test_vectors_find_what_the_reference_finds(tmp_path, spec, strings):
    bundle = poeem.open(write_shop(tmp_path / "shop", spec=spec, strings=strings))
    with serving(tmp_path / "shop") as client:
        for nprobe in (None, 1, 4):
            asked = {"vectors": QUERIES.tolist(), "k": 7, **({} if nprobe is None else {"nprobe": nprobe})}
            answer = client.post("/search", json=asked).json()
            scores, rows = ReferenceScorer(bundle).search(QUERIES, 7, nprobe or (2 if "IVF" in spec else None))
            assert answer["ids"] == [bundle.ids[row[row >= 0]].tolist() for row in rows]
            np.testing.assert_allclose(np.concatenate(answer["scores"]), scores[rows >= 0], rtol=1e-4)
            assert answer["fingerprint"] == bundle.fingerprint
            assert answer["revision"] == 1


def test_binary_bodies_are_answered_as_json_is(tmp_path):
    bundle = poeem.open(write_shop(tmp_path / "shop"))
    table = pa.table({"vector": pa.FixedSizeListArray.from_arrays(pa.array(QUERIES.ravel()), DIM)})
    with serving(tmp_path / "shop") as client:
        expected = best(bundle, QUERIES, 3, 4)
        for kind, body in ((NPY, npy(QUERIES)), (NPY, npy(QUERIES.astype("f8"))), (ARROW, write_arrow(table))):
            answer = client.post("/search?k=3&nprobe=4", content=body, headers={"content-type": kind})
            assert answer.json()["ids"] == expected
        headers = {"content-type": NPY, "accept": ARROW}
        answer = client.post("/search?k=3&nprobe=4", content=npy(QUERIES), headers=headers)
        found = pa.ipc.open_stream(answer.content).read_all()
        assert found["ids"].to_pylist() == expected
        assert found.schema.metadata[b"fingerprint"].decode() == bundle.fingerprint


def test_items_leave_themselves_out(tmp_path):
    bundle = poeem.open(write_shop(tmp_path / "shop"))
    row = int(bundle.row_of(["i7"])[0])
    decoded = ReferenceScorer(bundle).decode(np.array([row]))
    with serving(tmp_path / "shop") as client:
        answer = client.post("/search", json={"item": "i7", "k": 5, "nprobe": 4}).json()
    assert answer["ids"][0] == [id for id in best(bundle, decoded, 6, 4)[0] if id != "i7"][:5]


def test_conditions_and_columns(tmp_path):
    bundle = poeem.open(write_shop(tmp_path / "shop"))
    query = QUERIES[:1].tolist()
    with serving(tmp_path / "shop") as client:
        asked = {"vectors": query, "k": 20, "where": "price = 3", "columns": ["price", "title"]}
        answer = client.post("/search", json=asked).json()
        ranked = [id for id in best(bundle, query, 120, 4)[0] if int(id[1:]) % 10 == 3]
        # The visited lists hold too few: all lists are visited then.
        assert answer["ids"][0] == ranked
        assert answer["columns"]["price"] == [[3] * 12]
        assert answer["columns"]["title"][0] == [f"title {id[1:]}" for id in ranked]
        assert client.post("/search", json={**asked, "where": "price > 100"}).json()["ids"] == [[]]


def test_queries_that_wait_are_one_call_and_errors_stay_with_their_query(tmp_path):
    """The engine's thread is kept busy; nine searches arrive meanwhile, two of them wrong."""
    from concurrent.futures import ThreadPoolExecutor

    bundle = poeem.open(write_shop(tmp_path / "shop"))
    with serving(tmp_path / "shop") as client, ThreadPoolExecutor(9) as threads:
        version = client.app.state.service.version
        with version.gate.changing():
            asked = [{"vectors": [query.tolist()], "k": k, "nprobe": 4} for query in QUERIES[:3] for k in (2, 3)]
            asked += [{"item": "nope"}, {"item": "i1", "k": 4, "nprobe": 4}, {"item": "i2", "k": 4, "nprobe": 4}]
            batching = client.app.state.service.batching
            answers = [threads.submit(client.post, "/search", json=asked[0])]
            wait_for(lambda: version.gate._free._waiters)  # the engine's thread has taken the first one
            answers += [threads.submit(client.post, "/search", json=one) for one in asked[1:]]
            wait_for(lambda: batching.waiting == 8)
        found = [answer.result() for answer in answers]
        for one, answer in zip(asked[:6], found[:6]):
            assert answer.json()["ids"] == best(bundle, one["vectors"], one["k"], 4)
        assert found[6].status_code == 422
        assert found[6].json()["field"] == "item"
        assert [len(answer.json()["ids"][0]) for answer in found[7:]] == [4, 4]
        calls = client.get("/metrics").text
        # One call took the first search, which was waiting for the gate, and one or two all others of their kind.
        (count,) = (line for line in calls.splitlines() if line.startswith("poeem_call_queries_count"))
        assert float(count.split()[1]) <= 4


def test_a_trained_run_answers_as_poeem_search(tmp_path, trained):
    from poeem.training.load import recipe_of

    recipe = recipe_of(trained)
    run = recipe.load(trained, "cpu")
    with serving(trained) as client:
        for asked, cli in (
            ({"user": "u3"}, {"user": "u3"}),
            ({"item": "i9"}, {"item": "i9"}),
            ({"history": ["i1", "i20"]}, {"history": "i1,i20"}),
        ):
            answer = client.post("/search", json={**asked, "k": 5}).json()
            expected = recipe.search(run, cli, 5, None)
            assert answer["ids"][0] == run.bundle.ids[expected.rows[0]].tolist()
            np.testing.assert_allclose(answer["scores"][0], expected.scores[0], rtol=1e-4)
        assert client.post("/search", json={"query": "milk"}).json()["field"] == "query"
        unknown = client.post("/search", json={"user": "nobody"})
        assert (unknown.status_code, unknown.json()["field"]) == (422, "user")


def test_the_probe_measures_recall(tmp_path):
    """With all lists visited, exact search over the decoded vectors finds the same ten."""
    write_shop(tmp_path / "shop")
    with serving(tmp_path / "shop", limits={"probe_seconds": 1e-9}) as client:
        for query in QUERIES:
            client.post("/search", json={"vectors": [query.tolist()], "nprobe": 4})
            client.app.state.service._others.submit(lambda: None).result()
        text = client.get("/metrics").text
    assert 'poeem_recall_at_10{against="codes"} 1.0' in text
    assert "poeem_recall_probes_total 5.0" in text
