import dataclasses

import pytest

from poeem.data.file_format import FileFormat


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"delimiter": ";;"}, r"delimiter \(=';;'\) must be one character"),
        ({"delimiter": '"'}, "must be one character"),
        ({"encoding": "utf-9"}, r"encoding \(='utf-9'\) is unknown; use utf-8"),
        ({"min_rating": float("nan")}, r"min_rating \(=nan\) must be a finite number"),
        ({"user_column": "a", "time_column": "a"}, r"time_column \(='a'\) is the same as user_column"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        FileFormat(**options)


def test_every_field_has_a_help_text():
    for field in dataclasses.fields(FileFormat):
        assert field.metadata["help"].endswith(".")
