"""What a search costs with inverted lists: the share of the codes that a query scans, as a loss."""

from __future__ import annotations

import torch
from torch import Tensor

from poeem.metric import check_metric


def list_balance(
    queries: Tensor,
    items: Tensor,
    centroids: Tensor,
    *,
    nprobe: int = 1,
    metric: str = "cosine",
    temperature: float = 0.02,
) -> Tensor:
    """The share of the codes that a query scans: ``mean_q Σ_j p_qj s_j``, list j holding ``s_j`` of them.

    Even lists probed evenly give ``nprobe / nlist``; long lists that are probed often give more, up to 1. Added to the
    loss it shortens the lists that queries visit, for the same nprobe.

    The value is that of a search, with ``p_qj`` 1 for the nprobe lists a query visits. The gradient is that of soft
    counts, each times the hard ones of the other: ``sigmoid((s_qj - θ_q) / T)`` with the query's scores of the
    centroids and ``θ_q`` halfway between its nprobe-th and the next, without gradient; and the mean over items of
    ``softmax_j(-½‖x - C_j‖² / T)``. Soft counts alone are no loss: they fall while items gather in one list.

    Args:
        queries: float, ``(n, dim)``; unit length under ``cosine``, and rotated as the index rotates, if it does.
        items: float, ``(m, dim)``, a sample of the catalogue, likewise.
        centroids: float, ``(nlist, dim)``, such as ``index.coarse.centroids()``.
        nprobe: lists visited a query, below nlist.
        metric: lists are probed by inner product under ``ip`` and ``cosine``, by distance under ``l2``.
        temperature: of the gradient, above 0, for vectors of unit length; others are taken by their mean length.
    Returns:
        scalar, 0 to 1.
    Raises:
        ValueError: nprobe or the temperature is out of range, or widths differ.

    >>> import torch
    >>> centroids = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> items = torch.tensor([[0.9, 0.1], [1.0, 0.0], [0.8, 0.1], [0.1, 0.9]])  # three and one
    >>> list_balance(centroids[:1], items, centroids)
    tensor(0.7500)
    """
    check_metric(metric)
    nlist, dim = centroids.shape
    if not 1 <= nprobe < nlist:
        raise ValueError(f"nprobe (={nprobe}) must be 1 to {nlist - 1}; with all {nlist} lists everything is scanned")
    if not 0 < temperature < float("inf"):
        raise ValueError(f"temperature (={temperature}) must be a number above 0; 0.01 to 0.05 is usual")
    for name, rows in (("queries", queries), ("items", items)):
        if rows.ndim != 2 or rows.shape[1] != dim:
            raise ValueError(f"{name} (shape {tuple(rows.shape)}) must be (n, {dim}), as wide as the centroids")
    half_norms = centroids.square().sum(1) / 2
    # -½‖x - C‖² but for ½‖x‖², which neither the softmax nor the order of lists sees.
    nearness = items @ centroids.T - half_norms
    soft_shares = (nearness / (temperature * _scale(items, centroids))).softmax(1).mean(0)
    hard_shares = torch.bincount(nearness.argmax(1), minlength=nlist).to(nearness) / max(1, len(items))
    scores = queries @ centroids.T - (half_norms if metric == "l2" else 0)
    best = scores.detach().topk(nprobe + 1, dim=1)
    edge = best.values[:, -2:].mean(1, keepdim=True)
    soft_probed = ((scores - edge) / (temperature * _scale(queries, centroids))).sigmoid()
    hard_probed = torch.zeros_like(scores).scatter(1, best.indices[:, :nprobe], 1.0)
    return (_as(hard_probed, soft_probed) @ _as(hard_shares, soft_shares)).mean()


def _scale(rows: Tensor, centroids: Tensor) -> Tensor:
    """A typical inner product of vectors that point the same way, without gradient."""
    lengths = [torch.linalg.vector_norm(one.detach(), dim=1).mean() for one in (rows, centroids)]
    return (lengths[0] * lengths[1]).clamp_min(1e-12)


def _as(value: Tensor, gradient: Tensor) -> Tensor:
    """One tensor's value with another's gradient."""
    return value + (gradient - gradient.detach())
