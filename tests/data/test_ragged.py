import numpy as np
import pytest

from poeem.data.ragged import Ragged, offsets_of


def test_take_picks_whole_rows_in_order():
    random = np.random.default_rng(0)
    rows = [random.integers(0, 99, n) for n in (3, 0, 5, 1, 0)]
    ragged = Ragged(offsets_of(np.array([len(row) for row in rows])), np.concatenate(rows))
    picked = ragged.take(np.array([4, 2, 2, 0, 1]))
    assert [picked[i].tolist() for i in range(5)] == [rows[i].tolist() for i in (4, 2, 2, 0, 1)]
    assert ragged.row_of_value.tolist() == [0, 0, 0, 2, 2, 2, 2, 2, 3]


@pytest.mark.parametrize("offsets", [[0, 2], [1, 3], [], [0, 2, 1, 3]])
def test_offsets_that_do_not_cut_up_the_values_are_refused(offsets):
    with pytest.raises(ValueError, match="offsets must"):
        Ragged(np.array(offsets, dtype=np.int64), np.arange(3))
