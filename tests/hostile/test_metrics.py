"""A run's metrics.json with values of other types: one plain error."""

import json

import pytest

from poeem.explain.sources import _stored_recalls

GOOD = {"index": {"recall@100": 0.5}, "baselines": {"pq": {"recall@100": 0.25}}}


def test_recalls_of_index_and_baselines(tmp_path):
    file = tmp_path / "metrics.json"
    file.write_text(json.dumps(GOOD))
    assert _stored_recalls(file) == {"index": 0.5, "pq": 0.25}
    file.write_text(json.dumps({"index": {}, "baselines": {}}))
    assert _stored_recalls(file) == {}


@pytest.mark.parametrize("name", ["index", "baselines"])
@pytest.mark.parametrize(
    "value", [None, 3, "x", [[]], {"pq": None}, {"pq": {"recall@100": "x"}}, {"recall@100": 1e308}]
)
def test_a_value_of_another_type_is_refused(tmp_path, name, value):
    file = tmp_path / "metrics.json"
    file.write_text(json.dumps({**GOOD, name: value}))
    with pytest.raises(ValueError, match=r"cannot be read .* write it again with poeem evaluate"):
        _stored_recalls(file)


@pytest.mark.parametrize("text", ["", "[", "[]", "null", "[" * 100_000])
def test_what_is_no_object_is_refused(tmp_path, text):
    file = tmp_path / "metrics.json"
    file.write_text(text)
    with pytest.raises(ValueError, match="cannot be read"):
        _stored_recalls(file)
