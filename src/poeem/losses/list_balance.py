"""What a search costs with inverted lists: the share of the codes that a query scans, as a loss."""

from __future__ import annotations

from torch import Tensor

from poeem.metric import check_metric


def list_balance(
    queries: Tensor,
    items: Tensor,
    centroids: Tensor,
    *,
    nprobe: int = 1,
    metric: str = "cosine",
    temperature: float = 0.1,
) -> Tensor:
    """Expected share of the codes that a query scans: ``mean_q Σ_j P(q probes j) s_j``, list j holding ``s_j`` of them.

    Even lists probed evenly give ``nprobe / nlist``; long lists that are probed often give more, up to 1. Added to the
    loss it shortens the lists that queries visit, for the same nprobe.

    Both factors are soft: ``P = sigmoid((s_qj - θ_q) / T)`` with the query's scores of the centroids and ``θ_q``
    halfway between its nprobe-th and the next, without gradient; ``s_j`` the mean over items of
    ``softmax_j(-½‖x - C_j‖² / T)``. Both become the counts of a search as the temperature falls to 0.

    Args:
        queries: float, ``(n, dim)``; unit length under ``cosine``, and rotated as the index rotates, if it does.
        items: float, ``(m, dim)``, a sample of the catalogue, likewise.
        centroids: float, ``(nlist, dim)``, such as ``index.coarse.centroids()``.
        nprobe: lists visited a query, below nlist.
        metric: lists are probed by inner product under ``ip`` and ``cosine``, by distance under ``l2``.
        temperature: above 0, in units of the scores.
    Returns:
        scalar, 0 to 1.
    Raises:
        ValueError: nprobe or the temperature is out of range, or widths differ.

    >>> import torch
    >>> centroids = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> items = torch.tensor([[0.9, 0.1], [1.0, 0.0], [0.8, 0.1], [0.1, 0.9]])  # three and one
    >>> list_balance(centroids[:1], items, centroids, temperature=0.01)
    tensor(0.7500)
    """
    check_metric(metric)
    nlist, dim = centroids.shape
    if not 1 <= nprobe < nlist:
        raise ValueError(f"nprobe (={nprobe}) must be 1 to {nlist - 1}; with all {nlist} lists everything is scanned")
    if not 0 < temperature < float("inf"):
        raise ValueError(f"temperature (={temperature}) must be a number above 0; 0.05 to 0.2 suits cosine")
    for name, rows in (("queries", queries), ("items", items)):
        if rows.ndim != 2 or rows.shape[1] != dim:
            raise ValueError(f"{name} (shape {tuple(rows.shape)}) must be (n, {dim}), as wide as the centroids")
    half_norms = centroids.square().sum(1) / 2
    # -½‖x - C‖² but for ½‖x‖², which neither the softmax nor the distance from the threshold sees.
    shares = ((items @ centroids.T - half_norms) / temperature).softmax(1).mean(0)
    scores = queries @ centroids.T - (half_norms if metric == "l2" else 0)
    edge = scores.detach().topk(nprobe + 1, dim=1).values[:, -2:].mean(1, keepdim=True)
    probed = ((scores - edge) / temperature).sigmoid()
    return (probed @ shares).mean()
