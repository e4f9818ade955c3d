"""Ids that are there twice, found with few keys in memory."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from poeem.training.encoding import distinct_ids
from poeem.training.encoding.distinct_ids import id_keys, repeated_id


def batches_of(ids, size=37):
    array = pa.array(ids)
    return lambda: [array[start : start + size] for start in range(0, len(array), size)]


@pytest.mark.parametrize("make", [int, lambda i: f"item {i} of many", lambda i: "ß" * (i % 50) + str(i)])
@pytest.mark.parametrize("keys", [10**6, 300])
def test_the_repeated_one_is_found(make, keys):
    rng = np.random.default_rng(0)
    ids = [make(i) for i in rng.permutation(800).tolist()]
    assert repeated_id(batches_of(ids), len(ids), keys=keys) is None
    ids[713] = ids[20]
    assert repeated_id(batches_of(ids), len(ids), keys=keys) == ids[20]


def test_negative_and_large_integers():
    ids = [-(2**63), 2**63 - 1, -2, 0, 5]
    assert repeated_id(batches_of(ids), 5) is None
    assert repeated_id(batches_of([*ids, -2]), 6) == -2
    assert repeated_id(batches_of(np.array([1, 2, 1], np.uint8)), 3) == 1


def test_texts_of_equal_keys_are_compared(monkeypatch):
    monkeypatch.setattr(distinct_ids, "id_keys", lambda ids: np.zeros(len(ids), np.uint64))
    assert repeated_id(batches_of(["a", "b", "c"]), 3) is None
    assert repeated_id(batches_of(["a", "b", "a"]), 3) == "a"


def test_keys_tell_texts_apart():
    texts = ["", "\0", "\0\0", "a", "ab", "ba", "b", "a\0", *(f"{i}" for i in range(20000))]
    assert len(np.unique(id_keys(pa.array(texts)))) == len(texts)
    np.testing.assert_array_equal(id_keys(pa.array(texts)[3:9]), id_keys(pa.array(texts))[3:9])
    np.testing.assert_array_equal(id_keys(pa.array(texts, pa.large_string())), id_keys(pa.array(texts)))
