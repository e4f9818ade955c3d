"""Additive quantization: a vector is replaced by a sum of M codewords, one from each codebook."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from poeem.functional.additive_faiss import encode_by_faiss, suits_faiss
from poeem.functional.compile_guard import compile_guard, is_exporting

# Scores of one block of rows against all extensions of its beam: 2 MiB. Smaller blocks pay for calls of torch.
_BLOCK_SCORES = 2**19
# Up to here, one vectorised argmin per kept extension is faster than a partial sort.
_MOST_ARGMINS = 16


def encode_additive(x: Tensor, codebooks: Tensor, beam: int = 8) -> Tensor:
    """Find codes whose codewords sum up close to each vector, ``argmin_k ‖x - Σ_m B_mk_m‖²``, by beam search.

    The exact search is intractable. This one takes the codebooks in turn and keeps the ``beam`` best partial sums of
    every vector. A beam of 1 takes the codeword nearest to the residual so far. Time grows in proportion to the beam.

    Args:
        x: float32, ``(..., dim)``; residuals where there are lists.
        codebooks: float32, ``(M, ksub, dim)``, on the device of ``x``.
        beam: partial sums kept, at least 1.
    Returns:
        int64 codes in ``[0, ksub)``, ``(..., M)``; the same for the same vector, ties included. No gradient flows
        through it.
    Raises:
        ValueError: the widths differ, or the beam is below 1.
    Source:
        Babenko and Lempitsky, "Additive quantization for extreme vector compression", 2014 (beam search); the order of
        the codebooks is fixed here, as in faiss's ``ResidualQuantizer``.

    >>> books = torch.tensor([[[0.0], [4.0]], [[-1.0], [1.0]]])  # M=2, ksub=2, dim=1
    >>> encode_additive(torch.tensor([[0.9], [3.2]]), books)
    tensor([[0, 1],
            [1, 0]])
    """
    if x.ndim < 2 or x.shape[-1] != codebooks.shape[2]:
        raise ValueError(
            f"x (shape {tuple(x.shape)}) must be (..., {codebooks.shape[2]}) for codebooks of shape "
            f"{tuple(codebooks.shape)}, that is (M, ksub, dim)"
        )
    if beam < 1:
        raise ValueError(f"beam (={beam}) must be at least 1; 5 to 16 is usual")
    M, leading = len(codebooks), x.shape[:-1]
    x = x.reshape(-1, x.shape[-1])
    if suits_faiss(x, codebooks, beam):
        return encode_by_faiss(x, codebooks, beam).reshape(*leading, M)
    codes, cost = start_beam(x)
    for m in range(M):
        codes, cost = extend_beam(x, codebooks[: m + 1], codes, cost, beam if m + 1 < M else 1)
    return codes[:, 0].reshape(*leading, M)


def decode_additive(codes: Tensor, codebooks: Tensor) -> Tensor:
    """Sum the codewords of each code, ``Σ_m B_{m, code_m}``; differentiable in ``codebooks``.

    Args:
        codes: integers in ``[0, ksub)``, ``(..., M)``; the range is not checked.
        codebooks: float, ``(M, ksub, dim)``.
    Returns:
        float, ``(..., dim)``.

    >>> books = torch.tensor([[[0.0], [4.0]], [[-1.0], [1.0]]])
    >>> decode_additive(torch.tensor([[1, 0]]), books)
    tensor([[3.]])
    """
    M, ksub, dim = codebooks.shape
    rows = _rows(codes.reshape(-1, M), ksub)
    return _sums(rows, codebooks.reshape(M * ksub, dim)).reshape(*codes.shape[:-1], dim)


def start_beam(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return the codes ``(n, 1, 0)`` and costs ``(n, 1)`` before the first codebook: the empty sum."""
    n = x.shape[0]  # len(x) would be a constant in an export
    return torch.empty(n, 1, 0, dtype=torch.int64, device=x.device), torch.zeros(n, 1, device=x.device)


@compile_guard
@torch.no_grad()
def extend_beam(x: Tensor, codebooks: Tensor, codes: Tensor, cost: Tensor, beam: int) -> tuple[Tensor, Tensor]:
    """Add a codeword of the last codebook to every partial sum, and keep the best.

    ``½‖x - s - w‖² = ½‖x - s‖² + ½‖w‖² - <x, w> + <s, w>``: the first term is the cost of the partial sum, ``<x, w>``
    is one product for all partial sums of a vector, and ``<s, w>`` is a sum of looked-up products of codewords. Where
    there are fewer partial sums than such products, ``<x - s, w>`` is computed from the residuals. Neither way holds a
    tensor of size (n, beam, ksub, dim).

    Args:
        x: float32, ``(n, dim)``.
        codebooks: float32, ``(m + 1, ksub, dim)``.
        codes: int64, ``(n, width, m)``: codewords of the partial sums.
        cost: float32, ``(n, width)``: ``½‖x - s‖²`` less what is the same for all partial sums of a vector.
        beam: how many to keep.
    Returns:
        codes ``(n, kept, m + 1)`` and costs ``(n, kept)``, best first; ``kept`` is the beam, or all if they are fewer.
    """
    (n, width, m), ksub = codes.shape, codebooks.shape[1]
    # Relative to the mean of the first codebook, of which every sum has a codeword: float32 then does not cancel where
    # the vectors lie far from the origin.
    origin = codebooks[0].mean(0)
    earlier, codewords = torch.cat([codebooks[0] - origin, codebooks[1:].flatten(0, 1)]).split([m * ksub, ksub])
    half_norms = codewords.square().sum(1) / 2
    exporting = is_exporting()  # the number of rows is a symbol then, and all rows are one block
    products = earlier @ codewords.T if (width > 1 if exporting else n * width > n + m * ksub) else None
    kept = min(beam, width * ksub)
    if exporting:
        return _extend_rows(x - origin, earlier, codewords, half_norms, products, codes, cost, kept)
    found, found_cost = codes.new_empty(n, kept, m + 1), cost.new_empty(n, kept)
    rows = max(16, _BLOCK_SCORES // (width * ksub)) if x.device.type == "cpu" else max(1, 2**26 // (width * ksub))
    for start in range(0, n, rows):
        block = slice(start, start + rows)
        found[block], found_cost[block] = _extend_rows(
            x[block] - origin, earlier, codewords, half_norms, products, codes[block], cost[block], kept
        )
    return found, found_cost


def _extend_rows(
    rest: Tensor,
    earlier: Tensor,
    codewords: Tensor,
    half_norms: Tensor,
    products: Tensor | None,
    codes: Tensor,
    cost: Tensor,
    kept: int,
) -> tuple[Tensor, Tensor]:
    """`extend_beam` of one block of rows."""
    (n, width, m), ksub, dim = codes.shape, len(codewords), rest.shape[1]
    sums = _rows(codes.flatten(0, 1), ksub)
    if products is not None:
        scores = _sums(sums, products).view(n, width, ksub)
        scores += torch.addmm(half_norms, rest, codewords.T, alpha=-1)[:, None]
    else:
        if m:
            rest = (rest[:, None] - _sums(sums, earlier).view(n, width, dim)).flatten(0, 1)
        scores = torch.addmm(half_norms, rest, codewords.T, alpha=-1).view(n, width, ksub)
    scores += cost[:, :, None]
    best_cost, best = _smallest(scores.flatten(1), kept)
    parent = best // ksub
    chosen = (best - parent * ksub)[:, :, None]
    if m == 0:  # onnxruntime gathers nothing of width 0
        return chosen, best_cost
    return torch.cat([codes.gather(1, parent[:, :, None].expand(-1, -1, m)), chosen], 2), best_cost


def _sums(rows: Tensor, table: Tensor) -> Tensor:
    """The sums of the table's rows with numbers ``(n, m)``, ``(n, width of the table)``."""
    if not is_exporting() or rows.shape[1] == 0:
        return F.embedding_bag(rows, table, mode="sum")
    # ONNX has no such operator: it would become a loop over the rows.
    return sum((table.index_select(0, rows[:, m]) for m in range(1, rows.shape[1])), table.index_select(0, rows[:, 0]))


def _smallest(scores: Tensor, kept: int) -> tuple[Tensor, Tensor]:
    """The smallest scores of each row, ascending, and their places; ``scores`` may be overwritten."""
    (n, total), folds = scores.shape, 1
    if scores.device.type != "cpu" or kept > _MOST_ARGMINS or is_exporting():
        return scores.topk(kept, dim=1, largest=False)
    while total % (2 * folds) == 0 and 4 * folds * folds * kept <= total and kept > 1:
        folds *= 2
    if folds == 1:
        return _smallest_one_by_one(scores, kept)
    # The smallest scores are in the groups with the smallest minima: two short searches in place of a long one.
    groups = scores.view(n, folds, total // folds)
    chosen = _smallest_one_by_one(groups.amin(1), kept)[1]
    members = groups.gather(2, chosen[:, None].expand(-1, folds, -1)).flatten(1)
    values, best = _smallest_one_by_one(members, kept)
    member = best // kept
    return values, member * (total // folds) + chosen.gather(1, best - member * kept)


def _smallest_one_by_one(scores: Tensor, kept: int) -> tuple[Tensor, Tensor]:
    """`_smallest` by one vectorised argmin for each; overwrites ``scores``."""
    table = scores.numpy()
    n, total = table.shape
    values, places = np.empty((kept, n), table.dtype), np.empty((kept, n), np.int64)
    flat, starts = table.reshape(-1), np.arange(0, n * total, total)
    for j in range(kept):
        table.argmin(1, out=places[j])
        at = starts + places[j]
        values[j] = flat[at]
        flat[at] = np.inf
    return torch.from_numpy(values).T, torch.from_numpy(places).T


def _rows(codes: Tensor, ksub: int) -> Tensor:
    """Rows of the codewords in the table of all codebooks."""
    return codes.long() + torch.arange(codes.shape[1], device=codes.device) * ksub
