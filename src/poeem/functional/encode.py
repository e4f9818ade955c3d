"""Codes and lists of many vectors: normalise, rotate, assign lists, assign codes, a block of rows at a time."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from poeem.functional.coarse import assign_lists
from poeem.functional.threads import for_spans
from poeem.functional.unit_length import unit_length

# Rows encoded at a time. Their copies stay in the cache from stage to stage, and the preparation of the codebooks for
# each block takes a hundredth of the time (with a quarter of the rows a tenth).
ENCODE_ROWS = 2**14


@torch.no_grad()
def encode_rows(
    x: Tensor,
    assign: Callable[[Tensor, Tensor], Tensor],
    *,
    M: int,
    rotation: Tensor | None = None,
    centroids: Tensor | None = None,
    normalise: bool = False,
    at_once: int = ENCODE_ROWS,
) -> tuple[Tensor, Tensor | None]:
    """Compute codes and inverted lists of many vectors, a block of rows at a time.

    The steps are those of training: normalise, rotate, assign the list, subtract the centroid, assign the codes.

    Args:
        x: float, ``(n, dim)``.
        assign: function ``(residuals, vectors) -> codes``, called by several threads; both inputs are rotated, float32,
            ``(rows, dim)``, and equal without centroids; codes are ``(rows, M)``.
        M: codes per vector.
        rotation: float32, ``(dim, dim)``; None: no rotation.
        centroids: float32, ``(nlist, dim)``, in rotated space; None: no lists.
        normalise: whether vectors are brought to unit length first.
        at_once: rows of a block.
    Returns:
        codes int64 ``(n, M)``, and lists int64 ``(n,)``, None without centroids.
    Raises:
        ValueError: ``normalise`` is set and a row is zero.

    >>> from poeem.functional.pq import assign_codes
    >>> books = torch.tensor([[[0.0], [1.0]], [[0.0], [1.0]]])  # M=2, ksub=2, dsub=1
    >>> encode_rows(torch.tensor([[0.9, 0.1]]), lambda residuals, vectors: assign_codes(residuals, books), M=2)
    (tensor([[1, 0]]), None)
    """
    codes = torch.empty(len(x), M, dtype=torch.int64, device=x.device)
    lists = None if centroids is None else torch.empty(len(x), dtype=torch.int64, device=x.device)

    @torch.no_grad()  # the autograd mode belongs to a thread
    def encode_block(block: slice) -> None:
        y = x[block].float()
        if normalise:
            y = unit_length(y, first=block.start)
        if rotation is not None:
            y = y @ rotation
        residuals = y
        if centroids is not None and lists is not None:
            lists[block] = assign_lists(y, centroids)
            residuals = y - centroids.index_select(0, lists[block])
        codes[block] = assign(residuals, y)

    for_spans(encode_block, len(x), span=at_once, device=x.device)
    return codes, lists
