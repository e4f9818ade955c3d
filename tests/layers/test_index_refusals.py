"""What the embedding index refuses."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from poeem.layers.choices import BeamSearch, ScoreAware, Soft
from poeem.layers.embedding_index import EmbeddingIndex
from tests.layers.samples import ready, sample


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (torch.zeros(3, 15), "x (shape (3, 15)) must be (n, 16)"),
        (torch.zeros(16), "x (shape (16,)) must be (n, 16)"),
        (torch.zeros(3, 16, dtype=torch.int64), "x (=torch.int64) must be a floating-point tensor"),
        (np.zeros((3, 16), np.int64), "must be a floating-point tensor"),
        (torch.eye(16).index_fill(0, torch.tensor([2, 5]), torch.nan), "2 rows with NaN or infinity, the first is row"),
        (torch.eye(16) * torch.inf, "NaN or infinity"),
        (torch.zeros(3, 16, device="meta"), "x (on meta) must be on the device of the index (cpu)"),
    ],
)
@pytest.mark.parametrize("call", ["__call__", "encode", "warm_start"])
def test_refuses_bad_vectors(call, x, message):
    index = ready()
    with pytest.raises(ValueError, match=re.escape(message)):
        getattr(index, call)(x)


def test_large_finite_values_are_no_infinity():
    index = ready(metric="ip")
    assert index(torch.full((4, 16), 3e38)).codes.shape == (4, 4)


def test_zero_rows_under_cosine():
    index = ready()
    x = sample(5).index_fill(0, torch.tensor([3]), 0.0)
    assert index(x).embedding.isfinite().all()
    for call in (index.eval(), index.encode, index.warm_start):
        with pytest.raises(ValueError, match=r"1 zero rows, the first is row 3.*drop them or use metric='ip'"):
            call(x)
    ready(metric="ip").eval()(x)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dim": 100, "spec": "PQ16"}, "dim (=100) must be divisible by M (=16)"),
        ({"dim": 16, "spec": "PQ4", "assignment": BeamSearch(4)}, "assignment (=BeamSearch(beam=4)) is for additive"),
        ({"dim": 16, "spec": "RQ4", "assignment": ScoreAware()}, "assignment (='score-aware') chooses codewords"),
        ({"dim": 16, "spec": "PQ4", "metric": "dot"}, "metric (='dot') must be one of 'ip', 'l2', 'cosine'"),
        ({"dim": 16, "spec": "PQ4", "estimator": "gumbel"}, "estimator (='gumbel') must be one of 'ste', 'task'"),
        (
            {"dim": 16, "spec": "RQ4", "estimator": "soft"},
            "'RQ4x8' has no slices; use 'ste', 'task' or 'rotation-trick'",
        ),
        ({"dim": 16, "spec": "PQ4", "assignment": "l1"}, "assignment (='l1') must be one of 'nearest', 'score-aware'"),
        (
            {"dim": 16, "spec": "RQ4", "assignment": "balanced"},
            "assignment (='balanced') chooses codewords",
        ),
        ({"dim": 16, "spec": "OPQ4,PQ4", "rotation": "svd"}, "rotation (='svd') must be one of 'givens-greedy'"),
        ({"dim": 16, "spec": "PQ4", "rotation": "svd"}, "rotation (='svd')"),
        ({"dim": 16, "spec": "PQ4", "seed": -1}, "seed (=-1)"),
        ({"dim": 16, "spec": "PQ4", "buffer_rows": 100}, "buffer_rows (=100) must be at least 256"),
        ({"dim": 16, "spec": "PQ4", "warmup_steps": -1}, "warmup_steps (=-1)"),
        ({"dim": 16, "spec": "PQ4", "warmup_steps": 2.5}, "warmup_steps (=2.5)"),
        ({"dim": 0, "spec": "PQ4"}, "dim (=0)"),
    ],
)
def test_refuses_bad_arguments(options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        EmbeddingIndex(**options)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BeamSearch(0), "beam (=0) must be at least 1"),
        (lambda: BeamSearch(-1), "beam (=-1) must be a whole number"),
        (lambda: ScoreAware(0.5), "eta (=0.5) must be at least 1"),
        (lambda: Soft(0.0), "temperature (=0.0) of Soft must be a number above 0"),
    ],
)
def test_refuses_choices_out_of_range(make, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        make()


def test_refuses_a_sample_too_small():
    with pytest.raises(ValueError, match=r"sample \(=255 rows\) must have at least 256 rows"):
        EmbeddingIndex(16, "PQ4").warm_start(sample(255))


@pytest.mark.parametrize(
    ("codes", "lists", "message"),
    [
        (torch.zeros(2, 3, dtype=torch.int64), torch.zeros(2, dtype=torch.int64), "shape (2, 4)"),
        (torch.zeros(2, 4), torch.zeros(2, dtype=torch.int64), "must be integers"),
        (torch.full((2, 4), 16), torch.zeros(2, dtype=torch.int64), "must lie in 0 to 15"),
        (torch.zeros(2, 4, dtype=torch.uint8), None, "lists must be given"),
        (torch.zeros(2, 4, dtype=torch.uint8), torch.tensor([0, 8]), "lists (0 to 8) must lie in 0 to 7"),
    ],
)
def test_refuses_bad_codes(codes, lists, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        ready().decode(codes, lists)


def test_zero_row_is_named_by_its_number_among_all_rows():
    index = ready()
    x = torch.ones(40_000, index.dim)
    x[30_000] = 0
    with pytest.raises(ValueError, match="first is row 30000"):
        index.encode(x)


def test_refuses_an_adapter_of_another_width():
    with pytest.raises(ValueError, match=r"matrix \(shape \(3, 3\)\) must be \(16, 16\)"):
        ready().set_query_adapter(torch.eye(3))


def test_a_bundle_wants_one_row_an_id(tmp_path):
    with pytest.raises(ValueError, match=r"embeddings \(shape \(2, 3, 16\)\) must be \(n, 16\).*reshape\(-1, 16\)"):
        ready("PQ4x4", "ip").bundle(range(2), torch.ones(2, 3, 16), tmp_path / "bundle")
