"""A repair counts if its gain is significant; the next repair is compared with the last one that counts."""

from __future__ import annotations

import numpy as np
import pytest

from poeem.explain.loss_attribution import MeasuredState, is_significant, step_losses
from poeem.explain.measures import standard_error


def test_gain_within_chance_is_not_a_loss():
    rng = np.random.default_rng(0)
    served = rng.random(400)
    noise = rng.standard_normal(400)
    noise -= noise.mean()
    by_chance, for_sure = (served + noise + share * standard_error(noise) for share in (1.9, 2.1))
    assert not is_significant(by_chance - served)
    assert is_significant(for_sure - served)
    exact = np.ones(400)
    for won, counts in ((by_chance, False), (for_sure, True)):
        states = [
            MeasuredState("served", "", False, {"m": served}),
            MeasuredState("codewords", "", False, {"m": won}),
            MeasuredState("code", "", True, {"m": exact}),
        ]
        codewords, code = (step.loss for step in step_losses(states, "m"))
        assert codewords == pytest.approx(won.mean() - served.mean() if counts else 0)
        assert codewords + code == pytest.approx(1 - served.mean())
