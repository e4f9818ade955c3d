"""What CONTRIBUTING.md says holds: a method is one file, and the files to copy exist."""

from __future__ import annotations

import re
import textwrap

from poeem.training import methods
from poeem.training.options.fit import FitOptions
from poeem.training.options.groups import TrainOptions
from tests.docs.pages import ROOT, read

PAGE = "CONTRIBUTING.md"


def test_a_method_added_by_the_page_is_one_file(tmp_path, monkeypatch):
    (block,) = (text for text in re.findall(r"^ +```text\n(.*?)^ +```$", read(PAGE), re.MULTILINE | re.DOTALL))
    (tmp_path / "my_method.py").write_text(textwrap.dedent(block), encoding="utf-8")
    monkeypatch.setattr(methods, "__path__", [*methods.__path__, str(tmp_path)])
    assert "my-method" in methods.method_names()
    train, fit = (methods.method_settings("my-method", command) for command in ("train", "fit"))
    assert TrainOptions.named(**train).loss.commitment == 0.5
    assert FitOptions(**fit).top == 100


def test_the_files_to_copy_exist():
    for name in re.findall(r"`((?:engines|data|training|layers|baselines|evaluation)/[\w/]+\.py)`", read(PAGE)):
        assert "NAME" in name or (ROOT / "src" / "poeem" / name).exists(), name
