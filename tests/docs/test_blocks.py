"""Every Python and shell block of README and docs is a program: the blocks of a page run one after the other."""

from __future__ import annotations

import importlib
import json
import re
import shutil
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from tests.docs import servers, shell
from tests.docs.inputs import write_inputs
from tests.docs.notebook import PAGE as TUTORIAL
from tests.docs.pages import blocks, pages, read

LANGUAGES = {"python", "sh", "text"}
# Packages without which a page cannot run.
NEEDS = {
    "docs/guides/images.md": ["PIL"],
    "docs/guides/lance.md": ["lance", "lancedb"],
    "docs/guides/onnx.md": ["onnx", "onnxscript", "onnxruntime"],
    "docs/guides/scann.md": ["scann"],
    "docs/guides/serve.md": ["fastapi", "uvicorn", "prometheus_client"],
    "docs/guides/trainers.md": ["lightning", "sentence_transformers", "datasets"],
}
# Pages of about ten seconds and more.
SLOW = {
    "README.md",
    "docs/guides/compare.md",
    "docs/guides/explain.md",
    "docs/guides/frozen.md",
    "docs/guides/from_faiss.md",
    "docs/guides/images.md",
    "docs/guides/interactions.md",
    "docs/guides/life_cycle.md",
    "docs/guides/new_version.md",
    "docs/guides/recipes.md",
    "docs/guides/report.md",
    "docs/guides/serve.md",
    "docs/guides/serve_faiss.md",
    "docs/guides/training_options.md",
    "docs/guides/trainers.md",
}
Names = dict[str, Any]


def with_blocks() -> list[Any]:
    found = [page for page in pages() if any(block.language in ("python", "sh") for block in blocks(read(page)))]
    found.remove(TUTORIAL)  # it runs as a notebook, in test_notebook.py
    return [pytest.param(page, marks=pytest.mark.slow if page in SLOW else ()) for page in found]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    write_inputs(folder)
    return folder


@pytest.mark.timeout(900)
@pytest.mark.parametrize("page", with_blocks())
def test_the_blocks_run(page, inputs, tmp_path, monkeypatch, capsys):
    for package in NEEDS.get(page, ()):
        pytest.importorskip(package)
    if page in NEEDS:
        warnings.simplefilter("default")  # of those packages
    shutil.copytree(inputs, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002 - for packages that draw from it
    names: Names = {"__name__": "__main__"}
    for prepare in PREPARE.get(page, ()):
        shell.run(prepare)
    try:
        for block in blocks(read(page)):
            text = servers.placed(block.text)
            if block.language == "python":
                exec(compile(text, f"<{page}>", "exec"), names)
            elif block.language == "sh":
                shell.run(text, options_only=block.options_only)
    finally:
        servers.stop_all()
    if page in RESULTS:
        RESULTS[page](names, capsys.readouterr().out)


def lance(names: Names, out: str) -> None:
    assert names["report"].worst_score_error <= 1e-5
    assert names["exact_ids"][:, 0].tolist() == list(range(10_000, 10_005))


def scann(names: Names, out: str) -> None:
    assert names["report"].rank_agreement >= 0.99


def faiss_page(names: Names, out: str) -> None:
    assert names["report"].rank_agreement == 1
    assert names["plain"].worst_score_error <= 1e-5
    assert len(names["workers"]) == 2


def own_codebooks(names: Names, out: str) -> None:
    assert names["report"].rank_agreement == 1


def own_loop(names: Names, out: str) -> None:
    # The items near the history have been learnt, through model, index, export and stock faiss.
    assert {3, 4, 5} <= set(names["ids"][0].tolist())


def frozen(names: Names, out: str) -> None:
    exact = (names["queries"][:3] @ names["items"].T).argsort(1)[:, ::-1][:, :10]
    assert (names["ids"][:, :, None] == exact[:, None]).any(1).mean() > 0.4


def explained(names: Names, out: str) -> None:
    neighbours = names["neighbours"]
    assert sum(step.loss for step in neighbours.steps) == pytest.approx(neighbours.exact - neighbours.served)
    assert names["found"].main_cause in {"code", "probing"}
    assert names["reached"].choice.recall >= 0.95
    assert names["best"].bytes_per_vector == 2
    assert "Main cause: " in out


def life_cycle(names: Names, out: str) -> None:
    assert "2001 3\n" in out
    assert "2 items added; 2,003 items, 4 changes in the log" in out
    assert "shop.faiss: 2,001 items as faiss" in out
    assert (len(names["bundle"]), len(names["after"])) == (2000, 2001)
    assert names["after"].columns["title"].to_pylist()[-2:] == ["lamp", "chair"]


def new_version(names: Names, out: str) -> None:
    assert "of 80 rows rewritten" in out
    assert "rows applied; 80 items" in out
    assert names["difference"]["removed"] == names["facts"]["deleted"] == 1
    assert 0 < names["difference"]["changed"] == names["facts"]["replaced"] <= 100
    assert names["refused"]


def serve_faiss(names: Names, out: str) -> None:
    stored = names["run"].bundle
    assert set(names["id_of"].values()) == set(stored.ids.tolist())
    assert names["numbers"].shape == (2, 10)
    assert set(names["numbers"].ravel().tolist()) <= set(names["id_of"])


def serve(names: Names, out: str) -> None:
    answers = [json.loads(line) for line in out.splitlines() if line.startswith('{"')]
    assert (names["written"]["added"], names["written"]["replaced"]) == (2, 0)
    assert any(answer.get("deleted") == 1 for answer in answers)
    assert len(names["found"].ids[0]) == 5
    assert len(names["batch"].ids) == 3
    assert answers[-1]["status"] == "ready"
    assert answers[-1]["rows"] == len(names["version"])


RESULTS: dict[str, Callable[[Names, str], None]] = {
    "docs/guides/explain.md": explained,
    "docs/guides/faiss.md": faiss_page,
    "docs/guides/frozen.md": frozen,
    "docs/guides/lance.md": lance,
    "docs/guides/life_cycle.md": life_cycle,
    "docs/guides/new_version.md": new_version,
    "docs/guides/own_codebooks.md": own_codebooks,
    "docs/guides/own_loop.md": own_loop,
    "docs/guides/scann.md": scann,
    "docs/guides/serve.md": serve,
    "docs/guides/serve_faiss.md": serve_faiss,
}
TRAIN = """\
poeem train --interactions events.csv --index OPQ4,PQ4x4 --dim 32 --epochs 2 --baselines none --out runs/shop
"""
# What a page takes for granted.
PREPARE: dict[str, tuple[str, ...]] = {
    "docs/guides/explain.md": (
        TRAIN + "poeem export runs/shop --out shop.faiss\n"
        "poeem fit --items items.npy --queries queries.npy --index PQ4x6 --epochs 1 --out runs/frozen\n",
    ),
    "docs/guides/faiss.md": (TRAIN,),
    "docs/guides/serve.md": (
        "poeem train --interactions films.parquet --items titles.parquet --index RQ4x4 --dim 32 --epochs 1 "
        "--baselines none --out runs/demo\n",
    ),
}


def test_every_block_names_its_language():
    for page in pages():
        text = read(page)
        assert {block.language for block in blocks(text)} <= LANGUAGES, page
        fences = re.findall(r"^ *```", text, re.MULTILINE)
        indented = re.findall(r"^ +```", text, re.MULTILINE)
        assert len(fences) - len(indented) == 2 * len(blocks(text)), page


def test_the_page_of_the_readme_and_the_guide_have_the_same_loop():
    loops = [next(b.text for b in blocks(read(page)) if b.language == "python") for page in PAGES_WITH_LOOP]
    assert loops[0] == loops[1]


PAGES_WITH_LOOP = ("README.md", "docs/guides/own_loop.md")


def test_the_own_loop_is_as_short_as_it_says():
    example = blocks(read("docs/guides/own_loop.md"))[0].text.splitlines()
    assert len([line for line in example if line.strip()]) <= 25
    assert len([line for line in example if re.search(r"# [1-5]$", line)]) == 5


@pytest.mark.parametrize(
    "text",
    ["poeem trein --out x", "poeem train --out x --nonsense 1", "poeem train --out x --dim y", "make nothing", "rm x"],
)
def test_a_wrong_command_is_found(text):
    with pytest.raises(Exception, match=r".") as caught:
        shell.run(text, options_only=True)
    assert isinstance(caught.value, AssertionError) or "rror" in type(caught.value).__name__ or "ption" in str(caught)


def test_packages_that_a_page_needs_exist():
    for page, packages in NEEDS.items():
        assert page in pages()
        for package in packages:
            assert importlib.util.find_spec(package) is None or importlib.import_module(package)
