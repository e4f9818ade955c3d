"""The soft reconstruction of vectors, through which the gradient of the estimator ``soft`` flows."""

from __future__ import annotations

from torch import Tensor

from poeem.functional.soft_assignment import soft_codewords
from poeem.layers.staged_index import StagedIndex


def soft_estimate(index: StagedIndex, x: Tensor, lists: Tensor | None, temperature: float) -> Tensor:
    """Reconstruct vectors by codewords weighted by their distances; differentiable in ``x`` and in the index.

    Args:
        index: a ready layer of product quantization.
        x: float32, ``(n, dim)``; of unit length under ``cosine``.
        lists: int64, ``(n,)``, the lists of the hard assignment; None for a flat spec.
        temperature: see `soft_codewords`.
    Returns:
        float32, ``(n, dim)``.
    """
    matrix = None if index.rotation is None else index.rotation.matrix()
    y = x if matrix is None else x @ matrix.detach()
    centroid = None
    if index.coarse is not None and lists is not None:
        centroid = index.coarse.centroids().index_select(0, lists)
    residual = y if centroid is None else y - centroid.detach()
    decoded = soft_codewords(residual, index.quantizer.codebooks.float(), temperature)
    y_hat = decoded if centroid is None else centroid + decoded
    return y_hat if matrix is None else y_hat @ matrix.T
