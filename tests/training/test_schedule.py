from __future__ import annotations

import math

import pytest

from poeem.training.schedule import learning_rate


@pytest.mark.parametrize("decay", ["linear", "cosine", "constant"])
def test_rises_to_the_peak_and_then_never_rises_again(decay):
    rates = [learning_rate(step, 200, peak=0.5, decay=decay, warmup_share=0.1) for step in range(200)]
    assert rates[:20] == pytest.approx([0.5 * (step + 1) / 20 for step in range(20)])
    assert max(rates) == 0.5
    assert rates[19:] == sorted(rates[19:], reverse=True)
    assert rates[-1] > 0


def test_forms_of_the_decay_at_three_quarters():
    at = {d: learning_rate(151, 201, peak=1.0, decay=d, warmup_share=0.0) for d in ("linear", "cosine", "constant")}
    assert at == pytest.approx({"linear": 0.25, "cosine": 0.5 + 0.5 * math.cos(0.75 * math.pi), "constant": 1.0})


def test_an_unknown_decay_is_refused():
    with pytest.raises(ValueError, match=r"decay \(='step'\) must be one of 'linear', 'cosine', 'constant'"):
        learning_rate(0, 1, peak=1.0, decay="step")
