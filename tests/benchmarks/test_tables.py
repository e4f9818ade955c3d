"""The committed results reproduce the tables of README and docs."""

from __future__ import annotations

import json
import re

import pytest

from benchmarks.__main__ import all_tables
from benchmarks.markdown import ROOT, blocks, pages
from benchmarks.read import RESULTS, Results
from benchmarks.subjects import SUBJECTS


@pytest.fixture(scope="module")
def tables():
    return all_tables(Results())


def documents():
    return {page: page.read_text(encoding="utf-8") for page in pages()}


def test_every_block_of_the_documents_is_what_the_results_give(tables):
    found = {name: (page, text) for page, document in documents().items() for name, text in blocks(document).items()}
    assert found.keys() == tables.keys()
    for name, (page, text) in found.items():
        assert text == tables[name], f"{page.relative_to(ROOT)}, {name}: run python -m benchmarks tables"


def test_every_mark_has_an_end():
    for page, document in documents().items():
        marks = re.findall(r"<!-- ([A-Z]+) -->", document)
        assert marks == list(blocks(document)), page


def test_every_table_names_its_command(tables):
    for text in tables.values():
        assert re.search(r"Made by `python -m benchmarks \w+`\.$", text)


def test_tables_are_empty_without_results(tmp_path):
    empty = Results(tmp_path)
    for subject in SUBJECTS.values():
        for name, build in subject.tables.items():
            assert not build(empty), name


def test_every_figure_names_its_command():
    for name, subject in SUBJECTS.items():
        for figure in subject.figures:
            drawn = (ROOT / "docs" / "figures" / figure).read_text(encoding="utf-8")
            assert f"python -m benchmarks {name}" in drawn, figure


def test_every_result_is_a_record():
    for file in RESULTS.glob("*.json"):
        record = json.loads(file.read_text(encoding="utf-8"))
        assert list(record) == ["command", "seed", "settings", "rows", "environment"], file
        assert file.stem.endswith(f"-{record['seed']}")
        assert record["command"].startswith("python -m benchmarks.")
