import datetime
import decimal
import uuid

import numpy as np
import pyarrow as pa
import pytest

from poeem.data.columns import read_ids, read_times


def column(values, kind=None) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values, kind)])


U = uuid.UUID("12345678123456781234567812345678")


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        ([3, 1], pa.int8(), [3, 1]),
        ([3, 2**63], pa.uint64(), ["3", str(2**63)]),
        ([3, 2**62], pa.uint64(), [3, 2**62]),
        ([3.0, -1.0], pa.float64(), [3, -1]),
        (["007", "7"], pa.string(), ["007", "7"]),
        (["a", "b"], pa.large_string(), ["a", "b"]),
        (["a", "b"], pa.string_view(), ["a", "b"]),
        (["b", "a", "b"], pa.dictionary(pa.int32(), pa.string()), ["b", "a", "b"]),
        ([b"ab"], pa.binary(), ["ab"]),
        ([U.bytes], pa.uuid(), [str(U)]),
        ([True, False], pa.bool_(), ["true", "false"]),
    ],
)
def test_ids_of_any_type(values, kind, expected):
    assert read_ids(column(values, kind), "user").to_pylist() == expected


@pytest.mark.parametrize(
    ("values", "kind", "message"),
    [
        ([1, None], pa.int64(), "row 2: user is missing; fill it in, or drop the row"),
        (["a", "b", ""], pa.string(), r"row 3: user is missing \(''\)"),
        (["nan", "b"], pa.string(), r"row 1: user is missing \('nan'\)"),
        ([1.0, float("nan")], pa.float64(), "row 2: user is NaN"),
        ([1.0, 1.5], pa.float64(), r"row 2: user \(=1\.5\) is not a whole number .*; store ids as text"),
        ([1.0, 2.0**60], pa.float64(), "row 2: user .* is not a whole number that a float holds exactly"),
        ([[1]], pa.list_(pa.int64()), r"user: ids of type list<.*> cannot be used"),
        (["a", None], pa.dictionary(pa.int32(), pa.string()), "row 2: user is missing"),
    ],
)
def test_bad_ids_are_named_by_row(values, kind, message):
    with pytest.raises(ValueError, match=message):
        read_ids(column(values, kind), "user")


DAY = datetime.datetime(1970, 1, 2)


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        ([2, 1], pa.int32(), [2, 1]),
        ([2.5, 1.0], pa.float32(), [2.5, 1.0]),
        ([decimal.Decimal("1.5")], None, [1.5]),
        ([DAY], pa.timestamp("ms"), [86_400_000]),
        ([DAY.date()], pa.date32(), [1]),
        (["3", " 4"], pa.string(), [3, 4]),
        (["3", "4.5"], pa.string(), [3.0, 4.5]),
        (["1970-01-02", "1970-01-01T00:00:00.5"], pa.string(), [86_400 * 10**9, 5 * 10**8]),
        (["1970-01-01T00:00:01Z", "1970-01-01 01:00:00+01:00"], pa.string(), [10**9, 0]),
    ],
)
def test_times_of_any_type(values, kind, expected):
    times = read_times(column(values, kind), "timestamp")
    assert times.dtype in (np.int64, np.float64)
    assert times.tolist() == expected


@pytest.mark.parametrize(
    ("values", "kind", "message"),
    [
        ([1, None], pa.int64(), "row 2: timestamp is missing"),
        ([1.0, float("nan")], pa.float64(), r"row 2: timestamp \(=nan\) is not a finite number"),
        (["1", "2", "inf"], pa.string(), r"row 3: timestamp \(=inf\) is not a finite number"),
        (
            ["1", "2", "soon", "later"],
            pa.string(),
            r"row 3: timestamp \(='soon'\) cannot be read as time; write numbers",
        ),
        (["1", ""], pa.string(), r"row 2: timestamp \(=''\) cannot be read"),
        (["2020-01-01", "2020-13-01"], pa.string(), r"row 2: timestamp \(='2020-13-01'\)"),
        ([True], pa.bool_(), "times of type bool cannot be ordered"),
    ],
)
def test_bad_times_are_named_by_row(values, kind, message):
    with pytest.raises(ValueError, match=message):
        read_times(column(values, kind), "timestamp")
