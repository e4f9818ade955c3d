"""A run's config with values of other types: one plain error."""

import json

import pytest

from poeem.training.run_folder import FORMAT, FORMAT_VERSION, RunFolder

GOOD = {"recipe": "x", "settings": {}, "step": 1, "timings": {}, "fingerprint": "x", "files": {}}


@pytest.mark.parametrize("name", sorted(GOOD))
@pytest.mark.parametrize("value", [None, -1.5, "x", [[]], True])
def test_a_value_of_another_type_is_refused(tmp_path, name, value):
    if name in ("fingerprint", "recipe") and value == "x":
        value = {}
    (tmp_path / "model").mkdir()
    document = {"format": FORMAT, "format_version": FORMAT_VERSION, **GOOD}
    (tmp_path / "model" / "config.json").write_text(json.dumps(document))
    assert RunFolder(tmp_path).config() == document
    (tmp_path / "model" / "config.json").write_text(json.dumps({**document, name: value}))
    with pytest.raises(ValueError, match=r"config.json: cannot be read .* restore the file, or train again"):
        RunFolder(tmp_path).config()
