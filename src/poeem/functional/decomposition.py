"""Optimal space decomposition: rotation, centroids and codewords that fit a sample of vectors."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from poeem.functional.additive_fit import fit_additive
from poeem.functional.coarse import assign_lists, equal_norms
from poeem.functional.kmeans import kmeans, lloyd
from poeem.functional.nearest import assign_nearest
from poeem.functional.pq import decode_codes, split
from poeem.functional.procrustes import procrustes


class Decomposition(NamedTuple):
    """The arrays that a warm start gives an index, all float32. A stage that the structure lacks is None."""

    rotation: Tensor | None  # (dim, dim), y = x @ rotation
    coarse: Tensor | None  # (nlist, dim), in rotated space
    codebooks: Tensor  # (M, ksub, dsub), of the rotated residuals; for RQ (M, ksub, dim)


@torch.no_grad()
def decompose(
    x: Tensor,
    *,
    M: int,
    ksub: int,
    kind: Literal["PQ", "RQ"] = "PQ",
    nlist: int = 0,
    rotated: bool = False,
    equal_norm: bool = False,
    rounds: int = 50,
    generator: torch.Generator | None = None,
) -> Decomposition:
    """Fit the arrays of an index to a sample of vectors.

    Centroids come from k-means. Codewords are fitted to the **residuals**, the vectors less their centroids. With
    ``rotated``, Lloyd's iterations of the codewords alternate with the Procrustes rotation. For RQ the codewords come
    from `fit_additive`.

    Args:
        x: float32, ``(n, dim)``, at least ``max(ksub, nlist)`` rows.
        M, ksub, kind: subquantizers, codewords per codebook, and ``"PQ"`` or ``"RQ"``.
        nlist: number of centroids; 0 fits none.
        rotated: whether a rotation is fitted; not for RQ, whose codewords need none.
        equal_norm: whether centroids are scaled to one length before vectors are assigned to them.
        rounds: how often one Lloyd iteration and one rotation alternate.
        generator: CPU generator of all random choices.
    Returns:
        the rotation, the centroids in rotated space, and the codebooks of the rotated residuals.
    Raises:
        ValueError: fewer rows than codewords of a codebook, or than centroids.
    Source:
        Zhang et al. 2021 (optimal space decomposition); Ge et al., "Optimized product quantization", 2013.
    """
    coarse, residuals = None, x
    if nlist:
        # k-means does not see a rotation, so the centroids are fitted once, outside the alternation.
        coarse = kmeans(x[:, None], nlist, generator=generator)[0]
        if equal_norm:
            coarse = equal_norms(coarse)
        residuals = x - coarse[assign_lists(x, coarse)]
    if kind == "RQ":
        return Decomposition(None, coarse, fit_additive(residuals, M, ksub, generator=generator))
    if not rotated:
        return Decomposition(None, coarse, kmeans(split(residuals, M), ksub, iterations=25, generator=generator))
    rotation = balanced_axes(residuals, M)
    y = residuals @ rotation
    codewords = kmeans(split(y, M), ksub, iterations=5, generator=generator)
    for _ in range(rounds):
        rotation = procrustes(residuals, decode_codes(assign_nearest(split(y, M), codewords), codewords))
        y = residuals @ rotation
        codewords = lloyd(split(y, M), codewords, iterations=1, generator=generator)
    codewords = lloyd(split(y, M), codewords, iterations=5, generator=generator)
    return Decomposition(rotation, None if coarse is None else coarse @ rotation, codewords)


def balanced_axes(x: Tensor, M: int) -> Tensor:
    """Order the principal axes of a sample so that all slices have about equal products of variances.

    The alternation of `decompose` starts from these axes. From the identity it ends in a worse optimum where variance
    is uneven.

    Args:
        x: float, ``(n, dim)``.
        M: number of slices; it divides ``dim``.
    Returns:
        float, ``(dim, dim)``, orthogonal; columns are axes, ``dim / M`` neighbouring columns are a slice.
    Source:
        Ge et al. 2013, section 3.2 (eigenvalue allocation).

    >>> balanced_axes(torch.tensor([[4.0, 0.0], [-4.0, 0.0], [0.0, 1.0], [0.0, -1.0]]), 2).abs()
    tensor([[1., 0.],
            [0., 1.]])
    """
    dim = x.shape[1]
    centred = (x - x.mean(0)).double()
    variance, axes = torch.linalg.eigh(centred.T @ centred / len(x))
    # Axes without variance would make every product zero; they count as very small ones instead.
    logs = variance.clamp_min(float(variance.max()) * 1e-10 + torch.finfo(torch.float64).tiny).log()
    logs = logs - logs.min()
    slices: list[list[int]] = [[] for _ in range(M)]
    filled = [0.0] * M
    for axis in reversed(range(dim)):  # eigh sorts upwards; the largest comes first
        m = min((s for s in range(M) if len(slices[s]) < dim // M), key=lambda s: filled[s])
        slices[m].append(axis)
        filled[m] += float(logs[axis])
    order = torch.tensor([axis for part in slices for axis in part], device=x.device)
    return axes[:, order].to(x.dtype)
