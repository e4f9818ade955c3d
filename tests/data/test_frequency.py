import numpy as np
import pytest

from poeem.data.frequency import log_q
from poeem.data.ragged import Ragged

EVENTS = Ragged(np.array([0, 3, 8]), np.array([0, 1, 1, 2, 2, 2, 2, 2]))


def test_one_draw_is_the_share_of_the_events():
    np.testing.assert_allclose(np.exp(log_q(EVENTS, 3)), [1 / 8, 2 / 8, 5 / 8], rtol=1e-6)


def test_many_draws_are_the_chance_to_be_among_them():
    rng = np.random.default_rng(0)
    drawn = rng.choice(EVENTS.values, (20000, 4))
    expected = [(drawn == item).any(1).mean() for item in range(3)]
    np.testing.assert_allclose(np.exp(log_q(EVENTS, 3, draws=4)), expected, atol=0.015)


def test_items_without_an_event_count_as_having_one():
    found = log_q(EVENTS, 5)
    assert found[3] == found[4] == found[0]
    assert np.isfinite(found).all()
    assert found.dtype == np.float32


def test_a_sure_item_has_log_one():
    only = Ragged(np.array([0, 2]), np.array([0, 0]))
    assert log_q(only, 1).tolist() == [0.0]
    assert np.isfinite(log_q(only, 2, draws=10)).all()


def test_rare_items_keep_their_digits():
    many = Ragged(np.array([0, 10**6]), np.concatenate([[0], np.ones(10**6 - 1, np.int64)]))
    assert log_q(many, 2)[0] == pytest.approx(-6 * np.log(10), rel=1e-6)


def test_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match=r"draws \(=0\) must be at least 1"):
        log_q(EVENTS, 3, draws=0)
    with pytest.raises(ValueError, match=r"n_items \(=2\) must be above the highest item number of events \(=2\)"):
        log_q(EVENTS, 2)
