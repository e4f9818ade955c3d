"""Shapes, float types, devices and numpy arrays in and out of the embedding index."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from tests.layers.samples import ready, sample


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_float_types_are_computed_in_float32(dtype):
    index = ready()
    x = sample().to(dtype)
    out = index(x)
    assert out.embedding.dtype == dtype
    assert torch.equal(out.codes, index(x.float()).codes)


def test_under_autocast_assignment_stays_in_float32():
    index = ready()
    x = sample()
    with torch.autocast("cpu", torch.bfloat16):
        out = index(x)
    assert torch.equal(out.codes, index(x).codes)
    assert out.distortion.dtype == torch.float32


def test_a_batch_without_rows():
    index = ready()
    out = index(torch.empty(0, 16))
    assert (out.embedding.shape, out.codes.shape, out.lists.shape, out.distortion) == ((0, 16), (0, 4), (0,), 0)


def test_runs_on_every_device(device):
    index = ready().to(device)
    x = sample().to(device)
    out = index(x)
    (out.embedding.sum() + out.distortion).backward()
    assert (out.codes.cpu() == ready()(sample()).codes).float().mean() > 0.999
    assert out.embedding.device.type == device.type


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("spec", ["OPQ4,IVF4,PQ4x4", "RQ2x4"])
def test_leading_dimensions_go_in_and_come_out(spec, training):
    index = ready(spec, "cosine").train(training)
    x = sample(24)
    rows, shaped = copy.deepcopy(index)(x), index(x.reshape(2, 3, 4, 16))
    assert torch.equal(shaped.embedding, rows.embedding.reshape(2, 3, 4, 16))
    assert torch.equal(shaped.codes, rows.codes.reshape(2, 3, 4, -1))
    assert torch.equal(shaped.distortion, rows.distortion)
    codes, lists = index.encode(x.reshape(2, 3, 4, 16))
    flat_codes, flat_lists = index.encode(x)
    assert torch.equal(codes, flat_codes.reshape(2, 3, 4, -1))
    if lists is not None:
        assert torch.equal(lists, flat_lists.reshape(2, 3, 4))
        assert torch.equal(shaped.lists, rows.lists.reshape(2, 3, 4))
    assert torch.equal(index.decode(codes, lists), index.decode(flat_codes, flat_lists).reshape(2, 3, 4, 16))


@pytest.mark.parametrize("spec", ["OPQ4,IVF4,PQ4x4", "RQ2x4"])
def test_numpy_in_numpy_out(spec):
    index = ready(spec, "ip")
    x = sample(24).reshape(2, 12, 16)
    codes, lists = index.encode(x)
    for array in (x.numpy(), x.double().numpy(), np.flip(np.flip(x.numpy(), 0), 0)):
        numpy_codes, numpy_lists = index.encode(array)
        np.testing.assert_array_equal(numpy_codes, codes.numpy())
        assert (numpy_lists is None) == (lists is None)
        if lists is not None:
            np.testing.assert_array_equal(numpy_lists, lists.numpy())
    decoded = index.decode(numpy_codes.astype(np.uint8), numpy_lists)
    assert isinstance(decoded, np.ndarray)
    np.testing.assert_array_equal(decoded, index.decode(codes, lists).numpy())
    with pytest.raises(ValueError, match="must be a floating-point tensor"):
        index(x.numpy())
