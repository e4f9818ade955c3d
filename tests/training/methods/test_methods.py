"""Methods of papers: every one has settings for both commands."""

from __future__ import annotations

import pytest

from poeem.training.methods import method_names, method_settings
from poeem.training.options.fit import FitOptions
from poeem.training.options.groups import TrainOptions


@pytest.mark.parametrize("name", method_names())
def test_the_settings_of_every_method_exist(name):
    TrainOptions.named(**method_settings(name, "train"))
    FitOptions(**method_settings(name, "fit"))


def test_an_unknown_method_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"method \(='jqp'\) must be one of distill-vq, jpq, "):
        method_settings("jqp", "train")
