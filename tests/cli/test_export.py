"""``poeem export``: from the command line to the library."""

from __future__ import annotations

import json

import faiss
import numpy as np
import pytest

from poeem.bundle import write_bundle
from poeem.cli.main import main
from poeem.engines.capabilities import COLUMNS
from poeem.engines.faiss.index_parts import parts_of
from poeem.engines.reference import ReferenceScorer
from poeem.spec import IndexSpec


@pytest.fixture
def bundle(tmp_path):
    rng = np.random.default_rng(0)
    spec = IndexSpec.parse("IVF8,PQ8x4")
    coarse = rng.standard_normal((8, 16))
    coarse *= 3 / np.linalg.norm(coarse, axis=1, keepdims=True)
    return write_bundle(
        tmp_path / "run" / "bundle",
        spec=spec,
        metric="ip",
        dim=16,
        arrays={"coarse": coarse.astype("float32"), "codebooks": rng.normal(0, 0.4, (8, 16, 2)).astype("float32")},
        ids=np.arange(1000) + 10**6,
        codes=rng.integers(0, 16, (1000, 8), dtype=np.uint8),
        lists=rng.integers(0, 8, 1000, dtype=np.int32),
    )


def run(capsys, *words):
    code = main([str(word) for word in words])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_the_options_reach_the_file(bundle, tmp_path, capsys):
    np.save(tmp_path / "v.npy", ReferenceScorer(bundle).decode())
    for words, expected in (
        (["--fastscan", "--hnsw"], {"fastscan", "hnsw", "lists_found"}),
        (
            ["--refine", "sq8", "--vectors", tmp_path / "v.npy", "--k-factor", "5"],
            {"fastscan", "refine", "k_factor", "refined_score_error"},
        ),
        (["--no-fastscan"], {"fastscan"}),
        (["--on-disk"], {"on_disk"}),
        (["--nprobe", "3"], {"fastscan"}),
    ):
        code, out, err = run(capsys, "export", tmp_path / "run", "--out", tmp_path / "x.faiss", "--json", *words)
        assert (code, err) == (0, "")
        assert set(json.loads(out)["options"]) == expected
    assert parts_of(faiss.read_index(str(tmp_path / "x.faiss"))).inner.nprobe == 3


def test_parts_become_one_file(bundle, tmp_path, capsys):
    assert run(capsys, "export", tmp_path / "run", "--out", tmp_path / "a.faiss")[0] == 0
    words = ["--parts", tmp_path / "a.faiss"]
    code, out, _ = run(capsys, "export", tmp_path / "run", "--out", tmp_path / "x.faiss", "--json", *words)
    assert code == 0
    assert json.loads(out)["rows"] == 1000
    assert (tmp_path / json.loads(out)["lists_file"]).is_file()


def test_faiss_says_nothing_on_stdout(bundle, tmp_path, capfd):
    """Its C code does where lists are on disk, and nobody could read the JSON any more."""
    code = main(["export", str(tmp_path / "run"), "--out", str(tmp_path / "x.faiss"), "--on-disk", "--json"])
    assert code == 0
    assert json.loads(capfd.readouterr().out)["options"] == {"on_disk": True}


def test_mistakes_are_one_line(bundle, tmp_path, capsys):
    for words, message in (
        ([tmp_path / "run"], "name the run's folder and the file to write"),
        ([tmp_path / "run", "--out", tmp_path / "x", "--refine", "fp16"], "--refine fp16 needs vectors="),
        ([tmp_path / "run", "--out", tmp_path / "x", "--on-disk", "--fastscan"], "do not go together with fastscan"),
    ):
        code, out, err = run(capsys, "export", *words)
        assert (code, out) == (2, "")
        assert message in err
        assert err.count("\n") == 1


def test_the_table_of_engines(capsys):
    code, out, _ = run(capsys, "export", "--list")
    assert code == 0
    assert "faiss" in out
    assert all(meaning in out for meaning in COLUMNS.values())
    code, out, _ = run(capsys, "export", "--list", "--json")
    assert code == 0
    assert json.loads(out)["engines"]["faiss"]["FastScan"] is True
