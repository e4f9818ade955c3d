"""A repair counts if it wins more than chance, and the next is held against what has counted."""

from __future__ import annotations

import numpy as np
import pytest

from poeem.explain.loss_attribution import Rung, exceeds, losses, standard_error


def test_what_chance_could_win_is_no_loss():
    rng = np.random.default_rng(0)
    served = rng.random(400)
    noise = rng.standard_normal(400)
    noise -= noise.mean()
    by_chance, for_sure = (served + noise + share * standard_error(noise) for share in (1.9, 2.1))
    assert not exceeds(by_chance - served)
    assert exceeds(for_sure - served)
    exact = np.ones(400)
    for won, counts in ((by_chance, False), (for_sure, True)):
        rungs = [
            Rung("served", "", False, {"m": served}),
            Rung("words", "", False, {"m": won}),
            Rung("code", "", True, {"m": exact}),
        ]
        words, code = (step.loss for step in losses(rungs, "m"))
        assert words == pytest.approx(won.mean() - served.mean() if counts else 0)
        assert words + code == pytest.approx(1 - served.mean())
