from __future__ import annotations

import tomllib

import pytest

from poeem.cli.fit import CONFIG as FIT
from poeem.cli.main import main
from poeem.cli.settings import as_toml, merged, parse_assignments, read_toml, settings_of
from poeem.option import named
from poeem.training.methods import method_names, method_settings
from poeem.training.recipes.entries import RECIPES

CONFIG = RECIPES["interactions"].groups


@pytest.mark.parametrize("method", method_names())
@pytest.mark.parametrize(("command", "groups"), [("train", CONFIG), ("fit", FIT)])
def test_every_method_sets_known_options(method, command, groups):
    settings = merged({"method": method}, groups, command)
    assert settings == method_settings(method, command)
    named(groups.values(), **settings)


def test_what_is_printed_is_what_is_read(tmp_path):
    settings = merged({"method": "poeem-2021", "dim": 32, "set": ["lr=0.5", "header=false"]}, CONFIG, "train")
    file = tmp_path / "settings.toml"
    file.write_text(as_toml(settings, CONFIG))
    assert named(CONFIG.values(), **settings_of(read_toml(file), CONFIG)) == named(CONFIG.values(), **settings)


def test_the_command_line_comes_before_the_file_and_the_file_before_the_method(tmp_path):
    file = tmp_path / "settings.toml"
    file.write_text('method = "poeem-2021"\n[loss]\nviews = "both"\n[model]\ndim = 16\n')
    found = merged({"config": file, "dim": 8}, CONFIG, "train")
    assert (found["dim"], found["views"], found["commitment"]) == (8, "both", 0.0)
    found = merged({"config": file, "method": "jpq", "set": ["codes=reassigned"]}, CONFIG, "train")
    assert (found["dim"], found["codes"]) == (16, "reassigned")
    assert "commitment" not in found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dim", r"--set \(='dim'\) must be NAME=VALUE"),
        ("dimm=3", "there is no option 'dimm'; did you mean 'dim'?"),
        ("dim=3.5", r"dim \(='3.5'\) must be a whole number"),
        ("share=much", r"share \(='much'\) must be a number"),
        ("header=maybe", r"header \(='maybe'\) must be true or false"),
    ],
)
def test_assignments_that_mean_nothing_are_refused(text, message):
    with pytest.raises(ValueError, match=message):
        parse_assignments([text], CONFIG)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("dim = 3", "there is no option 'dim'"),
        ("[modell]\ndim = 3", "there is no option 'modell'; did you mean 'model'?"),
        ("[loss]\ndim = 3", "there is no option 'dim'"),
        ("[model]\ndim = true", r"dim \(=True\) must be a whole number"),
        ("[model\n", "is not TOML"),
    ],
)
def test_files_that_mean_nothing_are_refused(content, message, tmp_path):
    file = tmp_path / "settings.toml"
    file.write_text(content)
    with pytest.raises(ValueError, match=message):
        settings_of(read_toml(file), CONFIG)


def test_a_setting_is_given_once():
    with pytest.raises(ValueError, match=r"--set dim=... and its own option are both given"):
        merged({"dim": 3, "set": ["dim=4"]}, CONFIG, "train")
    with pytest.raises(ValueError, match="--set dim is given twice"):
        merged({"set": ["dim=3", "dim=4"]}, CONFIG, "train")


def test_print_config_writes_toml_and_does_nothing_else(capsys, tmp_path):
    assert main(["train", "--print-config", "--method", "jpq", "--out", str(tmp_path / "run")]) == 0
    printed = tomllib.loads(capsys.readouterr().out)
    assert printed["index"]["codes"] == "fixed"
    assert printed["run"]["out"] == str(tmp_path / "run")
    assert not (tmp_path / "run").exists()
    assert main(["fit", "--config", str(tmp_path / "none.toml")]) == 2
    assert "there is no such file" in capsys.readouterr().err


@pytest.mark.parametrize("by", ["config", "set"])
def test_an_output_of_the_settings_is_checked_before_any_work(by, capsys, tmp_path):
    """It may be no input, wherever it was named; the file must survive."""
    vectors, file = tmp_path / "v.npy", tmp_path / "settings.toml"
    vectors.write_bytes(b"precious")
    file.write_text(f"[run]\nout = '{vectors}'\n")
    given = ["--config", str(file)] if by == "config" else ["--set", f"out={vectors}"]
    assert main(["fit", "--items", str(vectors), *given]) == 2
    assert "is an input of this command" in capsys.readouterr().err
    assert vectors.read_bytes() == b"precious"
