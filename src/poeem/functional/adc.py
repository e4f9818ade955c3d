"""Asymmetric distance computation: a float query against codes, by one look-up table per query."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from poeem.functional.pq import split


def adc_tables(queries: Tensor, codebooks: Tensor, metric: Literal["ip", "l2"]) -> Tensor:
    """Score of every word against the query's slice: ``<q_m, B_mk>`` or ``‖q_m - B_mk‖²``.

    Args:
        queries: float, ``(nq, dim)``, rotated; for ``l2`` with lists, less the centroid of the list.
        codebooks: float, ``(M, ksub, dsub)``.
        metric: ``ip`` (larger is better) or ``l2`` (smaller is better).
    Returns:
        float, ``(nq, M, ksub)``.
    Raises:
        ValueError: another metric.
    Source:
        Jégou, Douze, Schmid, "Product quantization for nearest neighbor search", 2011, section III.

    >>> books = torch.tensor([[[0.0], [1.0]], [[0.0], [2.0]]])
    >>> adc_tables(torch.tensor([[3.0, 1.0]]), books, "ip")
    tensor([[[0., 3.],
             [0., 2.]]])
    """
    slices = split(queries, codebooks.shape[0])
    if metric == "ip":
        return torch.einsum("qmd,mkd->qmk", slices, codebooks)
    if metric == "l2":
        # Slice by slice, as a difference: the expanded form cancels for words close to the query.
        return torch.stack(
            [
                torch.cdist(part, words, compute_mode="donot_use_mm_for_euclid_dist").square()
                for part, words in zip(slices.unbind(1), codebooks)
            ],
            dim=1,
        )
    raise ValueError(f"metric (={metric!r}) must be 'ip' or 'l2'; for cosine normalise the queries and use 'ip'")


def adc_scores(tables: Tensor, codes: Tensor) -> Tensor:
    """Sum of the looked-up scores: ``sum_m table[q, m, code_m]``.

    Args:
        tables: float, ``(nq, M, ksub)``.
        codes: integers, ``(n, M)``.
    Returns:
        float, ``(nq, n)``.

    >>> tables = torch.tensor([[[0.0, 3.0], [0.0, 2.0]]])
    >>> adc_scores(tables, torch.tensor([[1, 1], [1, 0]]))
    tensor([[5., 3.]])
    """
    codes = codes.long()
    total = tables[:, 0].index_select(1, codes[:, 0])
    for m in range(1, codes.shape[1]):
        total += tables[:, m].index_select(1, codes[:, m])
    return total
