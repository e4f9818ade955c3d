"""k-means in few dimensions first, for residuals, which are close to noise in many dimensions."""

from __future__ import annotations

import torch
from torch import Tensor

from poeem.functional.kmeans import codeword_means, lloyd
from poeem.functional.nearest import assign_nearest

_STEPS = 4


@torch.no_grad()
def progressive_kmeans(x: Tensor, k: int, *, iterations: int = 5, generator: torch.Generator | None = None) -> Tensor:
    """Find centroids by Lloyd's iterations on more and more principal axes: ``dim^(1/4)``, ``dim^(1/2)``,
    ``dim^(3/4)``, all.

    In many dimensions noise has no clusters, and plain k-means ends with centroids that fit single rows. Here the
    clusters of the leading axes are found first and kept.

    Args:
        x: float32, ``(n, dim)``, at least ``k`` rows.
        k: number of centroids.
        iterations: Lloyd iterations on each of the four sets of axes.
        generator: CPU generator.
    Returns:
        float32 ``(k, dim)``.
    Source:
        Liu et al., "Improved residual vector quantization for high-dimensional approximate nearest neighbor search",
        2015; faiss's ``ProgressiveDimClustering``.

    >>> x = torch.tensor([[0.0], [0.5], [5.0], [5.5]])
    >>> progressive_kmeans(x, 2).flatten().sort().values
    tensor([0.2500, 5.2500])
    """
    dim = x.shape[1]
    centred = x - x.mean(0)
    # A sum in float32 is enough: the axes only set the order of the search.
    axes = torch.linalg.eigh((centred.T @ centred).double()).eigenvectors.flip(1).to(x.dtype)
    y = (x @ axes)[:, None]
    codewords = y[torch.randperm(len(x), generator=generator)[:k].to(x.device)].transpose(0, 1)
    widths = sorted({max(1, int(dim ** (step / _STEPS))) for step in range(1, _STEPS)} - {dim})
    for width in widths:
        part = y[..., :width].contiguous()
        narrow = lloyd(part, codewords[..., :width], iterations=iterations, generator=generator)
        # The clusters of these axes, with their means on all axes.
        codewords = codeword_means(y, assign_nearest(part, narrow), codewords, generator)
    return lloyd(y, codewords, iterations=iterations, generator=generator)[0] @ axes.T
