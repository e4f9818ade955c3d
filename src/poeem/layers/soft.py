"""What a layer's vectors become where words are weighted by how near they are: the view that ``soft`` learns by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from poeem.functional.soft_assignment import soft_codewords

if TYPE_CHECKING:
    from poeem.layers.embedding_index import EmbeddingIndex


def soft_estimate(index: EmbeddingIndex, x: Tensor, lists: Tensor | None) -> Tensor:
    """``x_hat`` of words weighted by their distances, differentiable in ``x`` and in the index.

    Args:
        index: a ready layer of product quantization, whose ``soft_temperature`` counts.
        x: float32, ``(n, dim)``; of unit length under ``cosine``.
        lists: int64, ``(n,)``, the lists that the hard assignment has chosen; None for a flat spec.
    Returns:
        float32, ``(n, dim)``.
    """
    matrix = None if index.rotation is None else index.rotation.matrix()
    y = x if matrix is None else x @ matrix.detach()
    centroid = None
    if index.coarse is not None and lists is not None:
        centroid = index.coarse.centroids().index_select(0, lists)
    residual = y if centroid is None else y - centroid.detach()
    word = soft_codewords(residual, index.quantizer.codebooks.float(), index.soft_temperature)
    y_hat = word if centroid is None else centroid + word
    return y_hat if matrix is None else y_hat @ matrix.T
