"""Codes in service stay unless another saves more than the margin, held against numpy in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from poeem.layers.choices import ScoreAware
from poeem.layers.embedding_index import EmbeddingIndex
from poeem.training.code_stability import StableCodes

N, DIM = 300, 8


def case(spec, metric, margin, **options):
    generator = torch.Generator().manual_seed(0)
    index = EmbeddingIndex(DIM, spec, metric=metric, reseed_every=0, **options)
    old = torch.randn(N, DIM, generator=generator)
    index.warm_start(old)
    index.requires_grad_(False)
    codes, lists = index.eval().encode(old)
    moved = old + 0.4 * torch.randn(N, DIM, generator=generator)
    in_service = torch.rand(N, generator=generator) < 0.7
    kept = StableCodes(
        in_service, codes.to(torch.uint8), None if lists is None else lists.to(torch.int32), margin=margin
    )
    return index, kept, moved, (codes, lists)


def errors(index, x, codes, lists):
    """The error that the layer minimises when it assigns codewords, float64."""
    x = x.numpy().astype(np.float64)
    if index.metric == "cosine":
        x /= np.linalg.norm(x, axis=1, keepdims=True)
    error = x - index.decode(codes, lists).numpy().astype(np.float64)
    if getattr(index.quantizer, "assignment", "") == "score-aware":
        along = (error * x).sum(1) ** 2 / np.square(x).sum(1)
        return np.square(error).sum(1) + (index.quantizer.eta - 1) * along
    return np.square(error).sum(1)


@pytest.mark.parametrize(
    ("spec", "metric", "options"),
    [
        ("PQ4x4", "ip", {}),
        ("OPQ4,IVF4,PQ4x4", "cosine", {}),
        ("IVF4,RQ2x4", "l2", {}),
        ("OPQ4,IVF4,PQ4x4", "ip", {"assignment": ScoreAware(8.0)}),
    ],
)
@pytest.mark.parametrize("margin", [0.0, 0.2, 1e9])
def test_a_code_changes_where_that_saves_more_than_the_margin(spec, metric, options, margin):
    index, kept, moved, (codes, lists) = case(spec, metric, margin, **options)
    some = torch.randperm(N, generator=torch.Generator().manual_seed(1))[:200]
    nearest, near_lists = index.encode(moved[some])
    old_lists = None if lists is None else lists[some]
    saved = errors(index, moved[some], codes[some], old_lists) - errors(index, moved[some], nearest, near_lists)
    stays = kept.in_service[some].numpy() & (saved <= margin)
    sure = np.abs(saved - margin) > 1e-6  # float32 cannot tell the others
    found, found_lists = kept.encode(index, some, moved[some])
    expected = np.where(stays[:, None], codes[some].numpy(), nearest.numpy())
    np.testing.assert_array_equal(found.numpy()[sure], expected[sure])
    if found_lists is not None:
        expected = np.where(stays, old_lists.numpy(), near_lists.numpy())
        np.testing.assert_array_equal(found_lists.numpy()[sure], expected[sure])
    if margin == 0.2:
        assert 10 < stays.sum() < kept.in_service[some].sum() - 10  # both kinds are there


@pytest.mark.parametrize("spec", ["PQ4x4", "OPQ4,IVF4,PQ4x4"])
def test_training_sees_what_is_written_and_the_gradient_passes(spec):
    index, kept, moved, _ = case(spec, "cosine", 0.1)
    items, x = torch.arange(N), moved.requires_grad_()
    out = kept.output(index, items, x, index(x))
    codes, lists = kept.encode(index, items, moved.detach())
    assert torch.equal(out.codes, codes)
    assert lists is None or torch.equal(out.lists, lists)
    torch.testing.assert_close(out.embedding.detach(), index.decode(codes, lists))
    unit = torch.nn.functional.normalize(moved.detach())
    expected = (unit - index.decode(codes, lists)).square().sum(1).mean()
    torch.testing.assert_close(out.distortion.detach(), expected)
    # Straight through: as if the reconstruction were the vector itself, which is normalised.
    weight = torch.randn(N, DIM)
    (out.embedding * weight).sum().backward()
    (torch.nn.functional.normalize(y := moved.detach().requires_grad_()) * weight).sum().backward()
    torch.testing.assert_close(x.grad, y.grad)


def test_before_the_warm_start_there_is_nothing_to_keep():
    _, kept, moved, _ = case("PQ4x4", "ip", 0.1)
    index = EmbeddingIndex(DIM, "PQ4x4", metric="ip", warmup_steps=5)
    out = index(moved)
    assert kept.output(index, torch.arange(N), moved, out) is out


def test_autocast_does_not_change_the_comparison():
    index, kept, moved, _ = case("OPQ4,IVF4,PQ4x4", "cosine", 0.1)
    items = torch.arange(N)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = kept.output(index, items, moved, index(moved))
    codes, lists = kept.encode(index, items, moved)
    assert torch.equal(out.codes, codes)
    torch.testing.assert_close(out.embedding.float(), index.decode(codes, lists), atol=1e-5, rtol=0)
