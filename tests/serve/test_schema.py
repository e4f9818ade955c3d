"""The OpenAPI document, and requests that schemathesis makes of it: no fault, and only answers that it describes."""

from __future__ import annotations

import pytest

from benchmarks.serve.forked import ForkedServer
from benchmarks.serve.made_up import send_made_up_requests
from poeem.serve.docs import SEARCHES, SWAPS, WRITES
from poeem.serve.models import SearchRequest, SwapRequest, WriteRequest
from tests.serve.shop import serving, write_shop

PATHS = {"/search", "/items", "/items/{id}", "/swap", "/healthz", "/readyz", "/metrics"}


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with serving(write_shop(tmp_path_factory.mktemp("schema") / "shop")) as client:
        yield client


@pytest.mark.slow
def test_made_up_requests_find_no_fault(tmp_path):
    with ForkedServer(write_shop(tmp_path / "shop"), log=tmp_path / "log") as server:
        counts = send_made_up_requests(server.url, cases=25, seed=0)
    assert sum(counts.values()) >= 100
    assert not [name for name in counts if " 5" in name]
    assert {name for name in counts if name.startswith(("POST /search 4", "PUT /items 4", "POST /swap 4"))}


def test_the_document_has_all_paths_and_its_examples_are_valid(client):
    document = client.get("/openapi.json").json()
    assert document["paths"].keys() >= PATHS
    for examples, model in ((SEARCHES, SearchRequest), (WRITES, WriteRequest), (SWAPS, SwapRequest)):
        for example in examples.values():
            model.model_validate(example)
    search = document["paths"]["/search"]["post"]
    assert search["requestBody"]["content"]["application/json"]["examples"].keys() == SEARCHES.keys()
    assert {"application/x-npy", "application/vnd.apache.arrow.stream"} < search["requestBody"]["content"].keys()
    assert {"200", "401", "413", "415", "422", "429"} <= search["responses"].keys()
