import datetime

import pyarrow as pa
import pytest

from poeem.data.arrow_input import as_arrow_table
from poeem.data.file_format import FileFormat
from poeem.data.interactions import Interactions

COLUMNS = {"user_id": ["b", "a", "b"], "item_id": [5, 6, 7], "stars": [5.0, 4.0, 1.0]}
TIMES = [datetime.datetime(2020, 1, day) for day in (3, 2, 1)]


class Streams:
    """Nothing but an Arrow stream."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self._table.__arrow_c_stream__(requested_schema)


def pandas_frame():
    pd = pytest.importorskip("pandas")
    return pd.DataFrame(COLUMNS | {"when": TIMES}, index=[7, 8, 9]).astype({"user_id": "category"})


def polars_frame():
    pl = pytest.importorskip("polars")
    return pl.DataFrame(COLUMNS | {"when": TIMES})


def hugging_face_dataset():
    datasets = pytest.importorskip("datasets")
    table = COLUMNS | {"when": TIMES}
    backwards = datasets.Dataset.from_dict({name: values[::-1] for name, values in table.items()})
    return backwards.select([2, 1, 0])


@pytest.mark.parametrize(
    "make",
    [
        lambda: pa.table(COLUMNS | {"when": TIMES}),
        lambda: Streams(pa.table(COLUMNS | {"when": TIMES})),
        lambda: Streams(pa.table({**COLUMNS, "user_id": pa.array(["b", "a", "b"], pa.string_view()), "when": TIMES})),
        lambda: pa.RecordBatch.from_pydict(COLUMNS | {"when": TIMES}),
        lambda: COLUMNS | {"when": TIMES},
        pandas_frame,
        polars_frame,
        hugging_face_dataset,
    ],
    ids=["arrow", "stream", "string views", "batch", "dictionary", "pandas", "polars", "datasets"],
)
def test_tables_of_other_libraries(make):
    lines = []
    format = FileFormat(time_column="when", min_rating=2)
    events = Interactions.from_table(make(), {"sku": [6, 5], "name": ["Six", "Five"]}, format, log=lines.append)
    assert events.user_ids.tolist() == ["a", "b"]
    assert events.item_ids[events.item].tolist() == [6, 5]
    assert events.item_table.to_pydict() == {"title": ["Five", "Six"]}
    assert lines == ["columns: user='user_id', item='item_id', timestamp='when', rating='stars'"]


def test_what_is_no_table_is_refused():
    class Splits(dict):
        def with_format(self, kind):
            raise AssertionError("a split has to be chosen")

    for data, message in (
        (7, "a table of type int cannot be used"),
        (Splits(), "Splits holds several splits; pass one of them"),
        ({"user": [1], "item": [1, 2]}, "cannot be used"),
    ):
        with pytest.raises(ValueError, match=message):
            as_arrow_table(data)
