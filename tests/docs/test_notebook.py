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


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore")  # of the kernel's machinery
def test_the_notebook_runs(tmp_path, monkeypatch):
    nbformat = pytest.importorskip("nbformat", reason="the notebook needs the extra docs")
    nbclient = pytest.importorskip("nbclient", reason="the notebook needs the extra docs")
    pytest.importorskip("ipykernel", reason="the notebook needs the extra docs")
    monkeypatch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    cells = nbformat.reads(read(NOTEBOOK), as_version=4)
    nbclient.NotebookClient(cells, timeout=500, resources={"metadata": {"path": str(tmp_path)}}).execute()
    out = "".join(output.get("text", "") for cell in cells.cells for output in cell.get("outputs", ()))
    assert "items.faiss: 1,000 items as faiss" in out
    assert (tmp_path / "delta.parquet").stat().st_size > 0
    assert (ROOT / NOTEBOOK).stat().st_size < 40_000
