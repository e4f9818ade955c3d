from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from poeem.data.relevance import read_pairs


def test_rows_of_weight_zero_are_no_labels(tmp_path):
    table = pa.table({"query": [0, 1], "item": [5, 6], "weight": [0.0, 2.0]})
    pq.write_table(table, tmp_path / "r.parquet")
    assert read_pairs(tmp_path / "r.parquet").tolist() == [[1, 6]]


def test_pairs_come_as_they_stand_in_a_csv_file(tmp_path):
    (tmp_path / "r.csv").write_text("item,query\n7,2\n3,0\n7,2\n")
    assert read_pairs(tmp_path / "r.csv").tolist() == [[2, 7], [0, 3], [2, 7]]


def test_names_the_column_that_holds_no_row_numbers(tmp_path):
    pq.write_table(pa.table({"query": ["a"], "item": [5]}), tmp_path / "r.parquet")
    with pytest.raises(ValueError, match=r"column 'query' must hold row numbers \(whole, from 0\), not string"):
        read_pairs(tmp_path / "r.parquet")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"query": [0, None], "item": [1, 2]}, "column 'query' is empty or NaN in row 2; fix the row or drop it"),
        ({"query": [0, 1], "item": [1, 2], "weight": [1.0, float("nan")]}, "column 'weight' is empty or NaN in row 2"),
        ({"query": [0], "item": [1], "weight": ["a"]}, "column 'weight' must hold numbers, not string"),
        ({"query": [0], "item": [1], "weight": [0.0]}, "holds no pair of weight above 0; at least one is needed"),
        ({"query": pa.array([], pa.int64()), "item": pa.array([], pa.int64())}, "holds no pair; at least one"),
    ],
    ids=["gap", "NaN", "text", "weight of 0", "nothing"],
)
def test_a_row_that_is_no_pair_is_named(tmp_path, columns, message):
    pq.write_table(pa.table(columns), tmp_path / "r.parquet")
    with pytest.raises(ValueError, match=message):
        read_pairs(tmp_path / "r.parquet")
