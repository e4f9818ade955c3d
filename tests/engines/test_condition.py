"""Conditions over columns, against plain Python."""

import pyarrow as pa
import pytest

from poeem.engines.condition import parse_condition

pytest.importorskip("sqlglot")
TABLE = pa.table(
    {
        "department": ["DAIRY", "MEAT", "DAIRY", None],
        "Brand name": ["A", "B", "C", "A"],
        "price": [1.5, 2.0, -3.0, None],
        "organic": [True, False, None, True],
    }
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("department = 'DAIRY'", [1, 0, 1, 0]),
        ("department <> 'DAIRY'", [0, 1, 0, 0]),
        ("DEPARTMENT = 'DAIRY' and not price < 0", [1, 0, 0, 0]),
        ("\"Brand name\" IN ('A', 'C') AND (price >= 1 OR price IS NULL)", [1, 0, 0, 1]),
        ("price BETWEEN -3 AND 1.5", [1, 0, 1, 0]),
        ("price > -3.5 OR organic", [1, 1, 1, 1]),
        ("department IS NOT NULL AND organic IS NULL", [0, 0, 1, 0]),
        ("organic = true", [1, 0, 0, 1]),
        ("department NOT IN ('DAIRY')", [0, 1, 0, 0]),
        ("price NOT BETWEEN 0 AND 1.75", [0, 1, 1, 0]),
        ("price = 99", [0, 0, 0, 0]),
    ],
)
def test_rows(text, expected):
    assert parse_condition(text, TABLE).rows(TABLE).tolist() == [bool(value) for value in expected]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("colour = 'red'", r"where names a column 'colour' that the index does not have \(columns: department, Brand"),
        ("department = ", "cannot be read"),
        ("department = 'DAIRY", "cannot be read"),
        ("", "where is empty"),
        ("__import__('os')", "which is no comparison"),
        ("department = (SELECT 1)", "which is no comparison"),
        ("department LIKE 'D%'", "which is no comparison"),
        ("price + 1 > 2", "which is no comparison"),
        ("1; DROP TABLE x", "cannot be read|no comparison"),
        ('department = "DAIRY"', "where names a column 'DAIRY'"),
    ],
)
def test_what_is_no_condition_is_refused_in_one_line(text, message):
    with pytest.raises(ValueError, match=message) as error:
        parse_condition(text, TABLE)
    assert "\n" not in str(error.value)


def test_a_value_of_another_type_is_named():
    with pytest.raises(ValueError, match="compares a column with a value of another type"):
        parse_condition("price = 'DAIRY'", TABLE).rows(TABLE)


def test_an_index_without_columns():
    with pytest.raises(ValueError, match=r"\(columns: none\); train with an item table"):
        parse_condition("a = 1", None)
