"""The notebook is the tutorial, and it runs."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.docs.notebook import NOTEBOOK, as_text
from tests.docs.pages import ROOT, read


def test_the_notebook_is_the_tutorial():
    assert read(NOTEBOOK) == as_text(), "run make notebook"


# The commands run in the kernel, which has imported what they need. The last one runs as a program.
COMMANDS_IN_THE_KERNEL = """
import shlex
from poeem.cli.main import main
shell = get_ipython()
def run(line, as_program=shell.system):
    if "--delta" in line:
        as_program(line)
        assert shell.user_ns["_exit_code"] == 0, line
    else:
        program, *words = shlex.split(line, comments=True)
        assert program == "poeem" and main(words) == 0, line
shell.system = run
"""
CHECK = "assert engine.ntotal == report.rows == len(bundle.ids)"


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore")  # of the kernel's machinery
def test_the_notebook_runs(tmp_path, monkeypatch):
    nbformat = pytest.importorskip("nbformat", reason="the notebook needs the extra docs")
    nbclient = pytest.importorskip("nbclient", reason="the notebook needs the extra docs")
    pytest.importorskip("ipykernel", reason="the notebook needs the extra docs")
    monkeypatch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    book = nbformat.reads(read(NOTEBOOK), as_version=4)
    for cell in book.cells:
        cell.source = cell.source.replace("range(2000)", "range(800)").replace("range(0, 2000, 4)", "range(0, 800, 4)")
    book.cells.insert(0, nbformat.v4.new_code_cell(COMMANDS_IN_THE_KERNEL))
    book.cells.append(nbformat.v4.new_code_cell(CHECK))
    nbclient.NotebookClient(book, timeout=500, resources={"metadata": {"path": str(tmp_path)}}).execute()
    out = "".join(output.get("text", "") for cell in book.cells for output in cell.get("outputs", ()))
    for text in ("index, trained jointly", "Change next: ", "items as faiss", "delta.parquet"):
        assert text in out
    assert (tmp_path / "delta.parquet").stat().st_size > 0
    assert (ROOT / NOTEBOOK).stat().st_size < 40_000
