"""Length of the pages, their links, where tables stand, and the site that is built from them."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from benchmarks.markdown import blocks as tables
from poeem.cli.main import COMMANDS
from poeem.explain.text import CAUSES
from tests.docs.pages import ROOT, pages, read, words_by_hand

# Options of git, of `poeem` itself, and of scripts in benchmarks/.
OF_OTHERS = {"--tags", "--version", "--help", "--smoke", "--split", "--strict", "--nproc-per-node"}
README_WORDS, PAGE_WORDS, README_ROWS = 800, 1200, 10


def test_the_readme_is_short():
    assert words_by_hand(read("README.md")) <= README_WORDS


@pytest.mark.parametrize("page", pages())
def test_no_page_by_hand_is_long(page):
    assert words_by_hand(read(page)) <= PAGE_WORDS


def test_the_readme_has_a_table_of_ten_rows_with_losses_and_one_of_the_systems():
    found = tables(read("README.md"))
    assert found.keys() == {"HIGHLIGHTS", "SYSTEMS"}
    rows = {name: [line for line in text.splitlines() if line.startswith("|")][2:] for name, text in found.items()}
    assert len(rows["HIGHLIGHTS"]) <= README_ROWS
    assert any("loses" in row for row in rows["HIGHLIGHTS"])
    assert len(rows["SYSTEMS"]) <= 3


def test_generated_tables_have_pages_of_their_own():
    found = {page for page in pages() if tables(read(page))} - {"docs/security.md"}  # its table is a summary
    assert found - {"README.md"} == {page for page in found if page.startswith(("docs/benchmarks/", "docs/papers/"))}
    assert len(found) > 10


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_links_of_the_root(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", read(page)):
        if target.startswith("https://"):
            continue
        name, _, anchor = target.partition("#")
        assert (ROOT / name).exists(), target
        assert not anchor or anchor in anchors(name or page), target


def anchors(page: str) -> set[str]:
    """As mkdocs and GitHub make them of headings."""
    headings = re.findall(r"^#+ (.*)$", read(page), re.MULTILINE)
    return {re.sub(r"\s+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower()) for heading in headings}


def test_source_files_named_in_the_docs_exist():
    for page in pages():
        for name in re.findall(r"`((?:src|tests|benchmarks)/[\w/.]+)`", read(page)):
            invented = "NAME" in name or "my_method" in name
            assert invented or (ROOT / name).exists(), f"{page}: {name}"


def test_options_named_in_the_docs_exist():
    flags = {flag for command in COMMANDS.commands.values() for option in command.params for flag in option.opts}
    flags |= {
        flag for command in COMMANDS.commands.values() for option in command.params for flag in option.secondary_opts
    }
    for page in pages():
        named = set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", read(page)))
        assert named <= flags | OF_OTHERS, page


def test_messages_and_causes_named_in_the_docs_exist():
    source = " ".join(file.read_text(encoding="utf-8") for file in (ROOT / "src" / "poeem" / "engines").rglob("*.py"))
    messages = re.findall(r'^\| "([^"]+)"', read("docs/concepts/scores.md"), re.MULTILINE)
    assert len(messages) > 2
    assert [message for message in messages if message not in source] == []
    page = read("docs/concepts/explaining.md")
    assert [cause for cause in CAUSES if f"`{cause}`" not in page] == []


def test_the_drawing_of_the_house_has_every_folder():
    drawing = read("docs/drawings/house.svg")
    for folder in (ROOT / "src" / "poeem").iterdir():
        if folder.is_dir() and not folder.name.startswith("__"):
            assert re.search(rf"\b{folder.name}\b", drawing), folder.name


def test_every_extra_is_documented_with_an_install_line():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    install = read("docs/get_started/install.md")
    for extra in project["optional-dependencies"]:
        assert f"| `{extra}` |" in install, extra
    assert ".whl[" in install
    assert "Paper" in project["urls"]


def test_versions_agree():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert f"version: {project['version']}" in read("CITATION.cff")
    for page in pages():
        assert set(re.findall(r"poeem_torch-([\d.]+)-", read(page))) <= {project["version"]}, page


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_site_builds_strictly(tmp_path):
    pytest.importorskip("mkdocs", reason="the site needs the extra docs")
    pytest.importorskip("mkdocstrings", reason="the site needs the extra docs")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    api = (tmp_path / "site" / "api" / "index.html").read_text(encoding="utf-8")
    assert "EmbeddingIndex" in api
    assert "retrieval loss on" in re.sub(r"<[^>]+>", "", api)  # from its docstring
    assert ":func:" not in api
    assert Path(tmp_path / "site" / "get_started" / "tutorial.ipynb").exists()
