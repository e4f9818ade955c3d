"""Examples in the documents are programs: they run."""

from __future__ import annotations

import re
from pathlib import Path

import torch

ROOT = Path(__file__).parents[2]


def blocks(name: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / name).read_text(encoding="utf-8"), re.DOTALL)


def test_the_readmes_own_loop_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    names: dict[str, object] = {}
    for block in blocks("README.md"):
        exec(compile(block, "README.md", "exec"), names)
    # The items near the history have been learnt, through model, index, export and stock faiss.
    assert {3, 4, 5} <= set(names["ids"][0].tolist())


def test_the_readmes_own_loop_is_as_short_as_it_says():
    example = blocks("README.md")[0].splitlines()
    assert len([line for line in example if line.strip()]) <= 25
    assert len([line for line in example if re.search(r"# [1-5]$", line)]) == 5


def test_the_page_on_frozen_embeddings_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in blocks("docs/frozen.md"):
        exec(compile(block, "docs/frozen.md", "exec"), names)
    exact = (names["queries"][:3] @ names["items"].T).argsort(1)[:, ::-1][:, :10]
    assert (names["ids"][:, :, None] == exact[:, None]).any(1).mean() > 0.4
