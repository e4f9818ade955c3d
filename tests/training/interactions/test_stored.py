from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from poeem.data.interactions import Interactions
from poeem.training.interactions.stored import interactions_digest, read_stored_interactions, write_interactions


def test_everything_comes_back(tmp_path, small):
    write_interactions(tmp_path, small)
    again = read_stored_interactions(tmp_path)
    for name in ("user", "item", "timestamp", "user_ids", "item_ids"):
        before, after = getattr(small, name), getattr(again, name)
        assert before.dtype == after.dtype
        np.testing.assert_array_equal(before, after)
    assert again.item_table.equals(small.item_table)
    assert interactions_digest(again) == interactions_digest(small)


def test_whole_numbers_stay_whole_and_no_table_is_none(tmp_path):
    events = Interactions.from_columns(user=[7, 7], item=[1, 2], timestamp=[0.5, 1.5])
    write_interactions(tmp_path, events)
    again = read_stored_interactions(tmp_path)
    assert again.item_table is None
    assert again.item_ids.tolist() == [1, 2]
    assert again.item_ids.dtype == np.int64
    assert again.timestamp.tolist() == [0.5, 1.5]


@pytest.mark.parametrize("name", ["user", "item", "timestamp", "user_ids", "item_ids"])
def test_digest_sees_every_change(small, name):
    changed = getattr(small, name).copy()
    changed[3] = "x" if changed.dtype == object else changed[3] + 1
    assert interactions_digest(dataclasses.replace(small, **{name: changed})) != interactions_digest(small)


def test_damage_is_named(tmp_path, small):
    write_interactions(tmp_path, small)
    (tmp_path / "users.parquet").write_bytes(b"")
    with pytest.raises(ValueError, match=r"users.parquet: cannot be read .* restore the file, or train again"):
        read_stored_interactions(tmp_path)
