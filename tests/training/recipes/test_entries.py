"""The table of recipes: how data choose one, and which options go with it."""

from __future__ import annotations

import json
import subprocess
import sys
import typing
from dataclasses import dataclass

import pytest

from poeem.cli.main import main
from poeem.option import option, setting
from poeem.training.load import load_run
from poeem.training.options.run import RunOptions
from poeem.training.recipes import entries
from poeem.training.recipes.entries import RECIPES, choose_recipe
from poeem.training.recipes.recipe import Recipe


@dataclass(frozen=True)
class PictureFiles:
    """Data."""

    pictures: str | None = option(None, "A folder.", metavar="FOLDER")
    margin: int | None = option(None, "Pixels.")
    blur: float = setting(0.0, "Of the pictures.")


@dataclass(frozen=True)
class PictureQueries:
    """What to search for."""

    picture: str | None = option(None, "A file.")


@pytest.fixture
def pictures(monkeypatch) -> Recipe:
    """A second recipe in the table."""

    def unused(*arguments, **options):
        raise AssertionError

    recipe = Recipe(
        "pictures",
        {"files": PictureFiles, "run": RunOptions},
        ("doodles",),
        PictureQueries,
        ("map@10",),
        "map@10",
        *[unused] * 6,
    )
    monkeypatch.setitem(entries.RECIPES, "pictures", recipe)
    return recipe


def test_data_choose_the_recipe(pictures):
    assert choose_recipe({"dim": 8}) is None
    for options in ({"interactions": "f"}, {"dataset": "ml-1m"}):
        assert choose_recipe(options) is RECIPES["interactions"]
    assert choose_recipe({"pictures": "f", "blur": 1}) is choose_recipe({"dataset": "doodles"}) is pictures


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pictures": "f", "tower": "history"}, "--tower goes with --interactions; leave it out"),
        ({"pictures": "f", "previous_run": "f"}, "--from goes with --interactions; leave it out"),
        ({"pictures": "f", "share": 1}, "^share goes with --interactions and --pairs and --images and --events"),
        ({"dataset": "ml-1m", "margin": 3}, "--margin goes with --pictures; leave it out"),
        ({"dataset": "ml-1m", "pictures": "f"}, "give one of .*; --pictures and --dataset are given"),
        ({"dataset": "ml-2m"}, r"dataset \(='ml-2m'\) is not known; choose from ml-1m, .*doodles"),
    ],
    ids=str,
)
def test_what_does_not_go_together_is_refused(pictures, options, message):
    with pytest.raises(ValueError, match=message):
        choose_recipe(options)


def test_the_command_chooses_by_file_and_set_too(pictures, tmp_path, capsys):
    file = tmp_path / "settings.toml"
    file.write_text('[files]\npictures = "folder"\n')
    assert main(["train", "--config", str(file), "--print-config", "--set", "blur=2"]) == 0
    printed = capsys.readouterr().out
    assert "blur = 2.0" in printed
    assert "tower" not in printed
    assert main(["train", "--set", "pictures=folder", "--tower", "history"]) == 2
    assert "--tower goes with --interactions" in capsys.readouterr().err
    file.write_text('[files]\npictures = "folder"\n[model]\ntower = "history"\n')
    assert main(["train", "--config", str(file)]) == 2
    assert "--tower goes with --interactions" in capsys.readouterr().err


def test_a_run_of_another_recipe_is_named(copied, pictures, capsys):
    file = copied / "model" / "config.json"
    config = json.loads(file.read_text())
    assert config["recipe"] == "interactions"
    file.write_text(json.dumps(config | {"recipe": "pictures"}))
    assert main(["search", str(copied), "--user", "u3"]) == 2
    assert "is a run of --pictures; search it with --picture, --item or --queries" in capsys.readouterr().err
    with pytest.raises(ValueError, match="is a run of --pictures, not of --interactions"):
        RECIPES["interactions"].load(copied, "cpu")
    file.write_text(json.dumps(config | {"recipe": "sounds"}))
    with pytest.raises(ValueError, match=r"has no recipe 'sounds' \(it has interactions, .*use the version"):
        load_run(copied)


def test_every_recipe_is_declared_in_one_way():
    types: dict[str, object] = {}
    for recipe in RECIPES.values():
        assert recipe.name in recipe.groups["files"].__dataclass_fields__
        assert issubclass(recipe.groups["run"], RunOptions)
        assert recipe.main_figure in recipe.figures
        for name in recipe.data_sets:
            assert name in RunOptions.__dataclass_fields__["dataset"].metadata["help"]
        for group in (*recipe.groups.values(), recipe.queries):
            for name, kind in typing.get_type_hints(group).items():
                # None stands for a default that depends on other options.
                kinds = set(typing.get_args(kind)) - {type(None)} or {kind}
                assert types.setdefault(name, kinds) == kinds, name


def test_the_table_imports_neither_torch_nor_numpy():
    code = "import sys, poeem.training.recipes.entries; assert not {'torch', 'numpy'} & {*sys.modules}"
    subprocess.run([sys.executable, "-c", code], check=True)
