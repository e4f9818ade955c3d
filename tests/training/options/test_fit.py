"""Options of a fit: values that are out of range or leave nothing to train."""

from __future__ import annotations

import pytest

from poeem.training.options.fit import FitOptions, VectorIndexOptions


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epochs": float("inf")}, r"epochs \(=inf\) must be a number above 0"),
        ({"temperature": 0.0}, r"temperature \(=0.0\)"),
        ({"label_weight": -1.0}, r"label_weight \(=-1.0\) must be 0 or more"),
        ({"list_weight": float("nan")}, r"list_weight \(=nan\)"),
        ({"top": 0}, r"top \(=0\) must be at least 1"),
        ({"max_queries": 0}, r"max_queries \(=0\) must be at least 1"),
        ({"codes": "kept"}, r"codes \(='kept'\) must be one of 'reassigned', 'fixed'"),
        ({"train_codebooks": False, "adapter": False}, "leave nothing to train"),
        ({"train_codebooks": False, "codes": "reassigned"}, r"codes \(='reassigned'\) change with the codebooks"),
        ({"train_codebooks": False, "assignment": "balanced"}, r"assignment \(='balanced'\) is how codebooks learn"),
    ],
    ids=str,
)
def test_values_that_cannot_be_used_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        FitOptions(**values)


def test_the_matrix_alone_and_weights_of_zero_are_accepted():
    assert not FitOptions(train_codebooks=False).train_codebooks
    assert FitOptions(distill_weight=0, label_weight=0, distortion_weight=1).distill_weight == 0


def test_the_metric_is_checked():
    with pytest.raises(ValueError, match=r"metric \(='dot'\) must be one of 'ip', 'l2', 'cosine'"):
        VectorIndexOptions(metric="dot")
