import numpy as np
import pytest

from poeem.data.histories import history_before, history_rows
from poeem.data.ragged import Ragged


def slow_history(values: list[int], length: int) -> list[int]:
    last = values[-length:]
    return [-1] * (length - len(last)) + last


@pytest.mark.parametrize("length", [1, 3, 7])
def test_against_a_loop_over_rows(length):
    random = np.random.default_rng(1)
    lengths = np.array([0, 1, 2, 3, 6, 0, 9])
    ragged = Ragged.from_lengths(lengths, random.integers(0, 50, lengths.sum()))
    rows = random.integers(0, len(lengths), 40)
    history = history_rows(ragged, rows, length)
    assert history.dtype == np.int64
    assert history.tolist() == [slow_history(ragged[row].tolist(), length) for row in rows]
    stops = random.integers(ragged.offsets[rows], ragged.offsets[rows + 1] + 1)
    expected = [
        slow_history(ragged.values[ragged.offsets[row] : stop].tolist(), length) for row, stop in zip(rows, stops)
    ]
    assert history_before(ragged, rows, stops, length).tolist() == expected


def test_no_rows_give_an_empty_rectangle():
    assert history_rows(Ragged(np.array([0, 1]), np.array([4])), np.array([], dtype=np.int64), 3).shape == (0, 3)


def test_wrong_arguments_are_named():
    ragged = Ragged(np.array([0, 2, 3]), np.arange(3))
    with pytest.raises(ValueError, match=r"length \(=0\) must be at least 1"):
        history_rows(ragged, np.array([0]), 0)
    with pytest.raises(ValueError, match=r"rows must lie in 0\.\.1; got 2\.\.2"):
        history_rows(ragged, np.array([2]), 3)
    with pytest.raises(ValueError, match="stops must lie within their rows"):
        history_before(ragged, np.array([1]), np.array([1]), 3)
