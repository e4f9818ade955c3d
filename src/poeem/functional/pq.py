"""Product quantization: a vector is cut into M slices, each replaced by the nearest codeword of its codebook."""

from __future__ import annotations

import torch
from torch import Tensor

from poeem.functional.nearest import assign_nearest


def split(x: Tensor, M: int) -> Tensor:
    """Cut vectors into slices: ``(n, dim)`` becomes ``(n, M, dim // M)``, a view of the same memory. ``M`` must divide
    ``dim``.

    >>> split(torch.tensor([[1.0, 2.0, 3.0, 4.0]]), 2)
    tensor([[[1., 2.],
             [3., 4.]]])
    """
    return x.unflatten(-1, (M, -1))


def assign_codes(residuals: Tensor, codebooks: Tensor) -> Tensor:
    """Assign every slice of a vector to its nearest codeword, by squared L2.

    Args:
        residuals: float32, ``(..., dim)``; for a flat index the (rotated) vectors themselves.
        codebooks: float32, ``(M, ksub, dsub)`` with ``M * dsub == dim``, on the device of ``residuals``.
    Returns:
        int64 codes in ``[0, ksub)``, ``(..., M)``; ties go to the lowest number.
    Raises:
        ValueError: the widths of the two differ.
    Source:
        Jégou, Douze, Schmid, "Product quantization for nearest neighbor search", 2011, section II.

    >>> books = torch.tensor([[[0.0], [1.0]], [[0.0], [1.0]]])  # M=2, ksub=2, dsub=1
    >>> assign_codes(torch.tensor([[0.9, 0.1]]), books)
    tensor([[1, 0]])
    """
    M, _, dsub = codebooks.shape
    if residuals.ndim < 2 or residuals.shape[-1] != M * dsub:
        raise ValueError(
            f"residuals (shape {tuple(residuals.shape)}) must be (..., {M * dsub}) for codebooks of shape "
            f"{tuple(codebooks.shape)}, that is (M, ksub, dsub)"
        )
    rows = residuals.reshape(-1, M * dsub)
    return assign_nearest(split(rows, M), codebooks).reshape(*residuals.shape[:-1], M)


def decode_codes(codes: Tensor, codebooks: Tensor) -> Tensor:
    """Decode codes: concatenate the codewords ``[B_{m, code_m}]``. The result is differentiable in ``codebooks``.

    Args:
        codes: integers in ``[0, ksub)``, ``(..., M)``; the range is not checked.
        codebooks: float, ``(M, ksub, dsub)``.
    Returns:
        float, ``(..., M * dsub)``.

    >>> books = torch.tensor([[[0.0], [1.0]], [[0.0], [1.0]]])
    >>> decode_codes(torch.tensor([[1, 0]]), books)
    tensor([[1., 0.]])
    """
    M, ksub, dsub = codebooks.shape
    # One look-up in the table of all codewords; index_select's backward takes a quarter of the time of embedding's.
    rows = codes.long() + torch.arange(M, device=codes.device) * ksub
    return codebooks.reshape(M * ksub, dsub).index_select(0, rows.flatten()).view(*codes.shape[:-1], M * dsub)
