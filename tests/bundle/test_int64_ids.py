"""Integers for string ids: the same for ever, and never two items with one."""

import numpy as np
import pytest

from poeem.bundle import int64_ids as module
from poeem.bundle.int64_ids import int64_ids


def test_the_integer_of_a_string_depends_on_the_string_alone():
    ids = np.array([f"item {i}" for i in range(2000)], object)
    numbers = int64_ids(ids)
    assert numbers.dtype == np.int64
    assert numbers.min() >= 0
    assert len(set(numbers.tolist())) == 2000
    np.testing.assert_array_equal(int64_ids(ids[::-1])[::-1], numbers)
    # Written down in files of users: another hash would be another file format.
    assert int64_ids(np.array(["lamp", "ä"], object)).tolist() == [3855780024721014293, 2076183271483221752]


def test_integers_stay_as_they_are():
    ids = np.array([-(2**63), 7, 2**63 - 1])
    assert int64_ids(ids).tolist() == ids.tolist()


def test_two_strings_with_one_integer_are_refused(monkeypatch):
    monkeypatch.setattr(module, "_hash", lambda text: text[0].encode() * 8)
    with pytest.raises(ValueError, match=r"'b1' and 'b2' have the same 63-bit hash; rename one of them"):
        int64_ids(np.array(["b1", "a", "b2"], object))
