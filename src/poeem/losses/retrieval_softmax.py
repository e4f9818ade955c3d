"""Retrieval softmax: the cross-entropy of each query's item against the other items of the batch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from poeem.losses.softmax_cross_entropy import softmax_cross_entropy
from poeem.metric import check_metric


def retrieval_softmax(
    queries: Tensor,
    items: Tensor,
    target: Tensor | None = None,
    *,
    temperature: float = 0.07,
    metric: str = "cosine",
    log_q: Tensor | None = None,
    item_ids: Tensor | None = None,
    normalize_items: bool = False,
) -> Tensor:
    """Compute the cross-entropy of each query's item against the candidates of the batch.

    It is the mean over queries of ``-log softmax_j(s(q, x_j) / temperature - log q_j)`` at the positive. The score
    ``s`` is the one an engine gives: ``<q, x>`` for ``ip``, ``<q / |q|, x>`` for ``cosine``, ``-|q - x|^2`` for ``l2``.
    Items are scored as they are. Under ``cosine``, float items must have unit length (set ``normalize_items=True`` if
    they have not), and quantized items must stay as they are.

    ``log_q`` corrects for popularity where candidates are the positives of other queries: if each candidate is sampled
    with probability ``q_j``, the loss estimates the softmax over the whole catalogue (``poeem.data.frequency``).

    Args:
        queries: float, ``(n, dim)``, or ``(..., dim)`` with ``...`` in place of n; computed in float32 at least, under
            autocast too.
        items: float, ``(m, dim)`` or ``(..., dim)``, the candidates; they are the columns of the softmax.
        target: int64, ``(n,)``, the column of each query's positive; by default column i belongs to query i. If queries
            or items have leading dimensions, so do the arguments from here on; columns are counted row by row.
        temperature: divides the scores, above 0.
        metric: ``"ip"``, ``"cosine"`` or ``"l2"``.
        log_q: float, ``(m,)``, log-probability that each column was sampled; nats.
        item_ids: int64, ``(m,)``, the item of each column. Columns of the positive's item, other than the positive's
            own, are left out (accidental hits). Not needed if all columns are different items.
        normalize_items: whether items are brought to unit length first (``cosine`` only; for float items).
    Returns:
        scalar, nats.
    Raises:
        ValueError: shapes, dtypes or devices do not match, or ``metric`` or ``temperature`` is out of range.
    Source:
        Yi et al., "Sampling-bias-corrected neural modeling for large corpus item recommendations", RecSys 2019.

    >>> q = torch.tensor([[2.0, 0.0], [0.0, 3.0]])
    >>> items = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> retrieval_softmax(q, items, temperature=1.0)  # log(1 + 1/e): the query's length does not matter
    tensor(0.3133)
    >>> retrieval_softmax(q, items, temperature=1.0, item_ids=torch.tensor([7, 7]))  # the other column is the same item
    tensor(0.)
    """
    if normalize_items and metric != "cosine":
        raise ValueError(f"normalize_items=True goes with metric='cosine' only, not with metric (={metric!r})")
    if normalize_items:
        items = F.normalize(items, dim=-1)
    return softmax_of_views(
        queries, [items], target, temperature=temperature, metric=metric, log_q=log_q, item_ids=item_ids
    )[0]


def softmax_of_views(
    queries: Tensor,
    views: Sequence[Tensor],
    target: Tensor | None = None,
    *,
    temperature: float,
    metric: str,
    log_q: Tensor | None = None,
    item_ids: Tensor | None = None,
) -> Tensor:
    """Compute :func:`retrieval_softmax` for several views of the same candidates, such as float and quantized vectors.

    Work that the views share is done once: normalising the queries, finding the accidental hits, and the loop over
    rows.

    Args:
        queries, target, temperature, metric, log_q, item_ids: as in :func:`retrieval_softmax`.
        views: the candidates of each view, ``(m, dim)``.
    Returns:
        ``(len(views),)``, nats.
    """
    target = _flat(target, queries)
    log_q, item_ids = _flat(log_q, views[0]), _flat(item_ids, views[0])
    queries, items = flat_rows(queries), torch.stack([flat_rows(view) for view in views])
    _check(queries, items, target, temperature, metric, log_q, item_ids)
    if target is None:
        target = torch.arange(len(queries), device=queries.device)
    # Scores decide ranks: bfloat16 logits of size 1 / temperature would be off by tenths.
    with torch.autocast(queries.device.type, enabled=False):
        dtype = torch.promote_types(torch.promote_types(queries.dtype, items.dtype), torch.float32)
        queries, items = queries.to(dtype), items.to(dtype)
        scale = 1 / temperature
        bias = items.new_zeros(items.shape[:2]) if log_q is None else -log_q.to(dtype).expand(items.shape[:2])
        if metric == "cosine":
            queries = F.normalize(queries, dim=-1)
        elif metric == "l2":
            # -|q - x|^2 = 2 <q, x> - |x|^2 - |q|^2; the last term is the same for every column and changes nothing.
            bias = bias - scale * items.square().sum(-1)
            scale *= 2
        return softmax_cross_entropy(queries, items, bias, target, scale=scale, item_ids=item_ids)


def flat_rows(x: Tensor) -> Tensor:
    """Return ``(..., dim)`` as ``(n, dim)``. A tensor with fewer dimensions is returned unchanged."""
    return x.flatten(0, -2) if x.dim() > 2 else x


def _flat(numbers: Tensor | None, x: Tensor) -> Tensor | None:
    """``(...)`` to ``(n,)`` where ``x`` is ``(..., dim)``; another shape is returned unchanged."""
    return numbers if numbers is None or numbers.shape != x.shape[:-1] else numbers.flatten()


def _check(queries, items, target, temperature, metric, log_q, item_ids) -> None:
    check_metric(metric)
    if not temperature > 0:
        raise ValueError(f"temperature (={temperature}) must be greater than 0; 0.05 to 0.1 suits cosine")
    if queries.dim() != 2 or not queries.is_floating_point() or len(queries) == 0:
        raise ValueError(f"queries must be float, (n, dim), n > 0, not {queries.dtype}, {tuple(queries.shape)}")
    if items.dim() != 3 or not items.is_floating_point() or items.shape[2] != queries.shape[1]:
        shape = tuple(items.shape[1:]) if items.dim() == 3 else tuple(items.shape)
        raise ValueError(f"items must be float, (m, dim={queries.shape[1]}) as queries, not {items.dtype}, {shape}")
    n, m = len(queries), items.shape[1]
    if items.device != queries.device:
        raise ValueError(f"items are on {items.device}, queries on {queries.device}; move one with .to(device)")
    if target is None and m < n:
        raise ValueError(f"items has {m} rows for {n} queries; pass target, the row of each query's positive")
    for name, tensor, length in (("target", target, n), ("item_ids", item_ids, m), ("log_q", log_q, m)):
        if tensor is None:
            continue
        if tuple(tensor.shape) != (length,):
            raise ValueError(f"{name} must have shape ({length},), not {tuple(tensor.shape)}")
        if name == "log_q" and not tensor.is_floating_point():
            raise ValueError(f"log_q must be float, natural logarithms, not {tensor.dtype}")
        if name != "log_q" and tensor.dtype != torch.int64:
            raise ValueError(f"{name} must be int64, not {tensor.dtype}; use {name}.long()")
    # On an accelerator this check would wait for the device; there the gather itself raises.
    if target is not None and target.device.type == "cpu" and (target.min() < 0 or target.max() >= m):
        raise ValueError(f"target must be in [0, {m}), not {int(target.min())} to {int(target.max())}")
