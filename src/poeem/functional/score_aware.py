"""Score-aware assignment: chooses codes that keep high inner products exact, not codes with the smallest distance."""

from __future__ import annotations

import torch
from torch import Tensor

from poeem.functional.compile_guard import compile_guard, is_exporting
from poeem.functional.pq import assign_codes, split

# Scores of one block of rows against all codewords: 4 MiB.
_BLOCK_SCORES = 2**20


@compile_guard
@torch.no_grad()
def assign_score_aware(
    residuals: Tensor, codebooks: Tensor, vectors: Tensor | None = None, *, eta: float = 2.0, sweeps: int = 3
) -> Tensor:
    """Choose codes that minimise ``‖e‖² + (η - 1) <u, e>²``, where ``e`` is the error and ``u`` the vector's direction.

    An error along a vector changes its high scores; an error across it hardly does. With ``η > 1`` the error along it
    weighs more. ``η = 1`` gives the nearest codewords. The search is a coordinate descent: it starts from the nearest
    codewords, then slice after slice takes the best codeword while the other slices stay, so that the loss never rises.

    Args:
        residuals: float32, ``(..., dim)``, the vectors that codewords approximate.
        codebooks: float32, ``(M, ksub, dsub)`` with ``M * dsub == dim``.
        vectors: float32, ``(..., dim)``, whose directions are ``u``; default the residuals, which is right without
            lists.
        eta: ``η``, weight of the error along the vector over that across it, at least 1.
        sweeps: the most passes over all slices.
    Returns:
        int64 codes in ``[0, ksub)``, ``(..., M)``; ties go to the lowest number.
    Raises:
        ValueError: ``eta`` is below 1, or the widths differ.
    Source:
        Guo et al., "Accelerating large-scale inference with anisotropic vector quantization", 2020, sections 3 and 4.2.

    >>> books = torch.tensor([[[0.0], [1.0]], [[0.0], [1.0]]])  # M=2, ksub=2, dsub=1
    >>> x = torch.tensor([[0.45, 0.45]])
    >>> assign_codes(x, books), assign_score_aware(x, books, eta=4.0)  # (1, 0) has nearly the right length along x
    (tensor([[0, 0]]), tensor([[1, 0]]))
    """
    if not eta >= 1:
        raise ValueError(f"eta (={eta}) must be at least 1, where it changes nothing; 2 to 8 is usual")
    vectors = residuals if vectors is None else vectors
    if vectors.shape != residuals.shape:
        raise ValueError(
            f"vectors (shape {tuple(vectors.shape)}) must have the shape of residuals, {tuple(residuals.shape)}"
        )
    leading = residuals.shape[:-1]
    residuals, vectors = (x.reshape(-1, x.shape[-1]) for x in (residuals, vectors))
    codes = assign_codes(residuals, codebooks)
    M, ksub, _ = codebooks.shape
    rows = max(1, _BLOCK_SCORES // (M * ksub))
    if is_exporting():  # the number of rows is a symbol then
        codes = codes.clone()
        _descend(residuals, vectors, codebooks, codes, eta - 1, sweeps)
        return codes.reshape(*leading, M)
    for start in range(0, len(codes), rows):
        block = slice(start, start + rows)
        _descend(residuals[block], vectors[block], codebooks, codes[block], eta - 1, sweeps)
    return codes.reshape(*leading, M)


def score_aware_error(vectors: Tensor, x_hat: Tensor, *, eta: float) -> Tensor:
    """Compute the loss of `assign_score_aware`, ``‖e‖² + (η - 1) <u, e>²`` with ``e = x - x_hat``, for each vector.

    Args:
        vectors, x_hat: float, ``(n, dim)``, both before or both after the rotation.
        eta: ``η``, at least 1.
    Returns:
        float, ``(n,)``, in squared embedding units.

    >>> score_aware_error(torch.tensor([[3.0, 0.0]]), torch.tensor([[2.0, 1.0]]), eta=4.0)  # 1 across, 4 * 1 along
    tensor([5.])
    """
    error = vectors - x_hat
    unit = vectors / torch.linalg.vector_norm(vectors, dim=1, keepdim=True).clamp_min(1e-30)
    return error.square().sum(1) + (eta - 1) * (unit * error).sum(1).square()


def _descend(residuals: Tensor, vectors: Tensor, codebooks: Tensor, codes: Tensor, weight: float, sweeps: int) -> None:
    """Coordinate descent from ``codes``, which are overwritten."""
    M = codebooks.shape[0]
    # A zero vector has no direction, and so no parallel error.
    unit = vectors / torch.linalg.vector_norm(vectors, dim=1, keepdim=True).clamp_min(1e-30)
    slices, directions = split(residuals, M).transpose(0, 1), split(unit, M).transpose(0, 1)
    # What a codeword adds to ‖e‖², relative to the mean of the codewords against cancellation, as in `assign_nearest`.
    centre = codebooks.mean(1, keepdim=True)
    codewords = codebooks - centre
    distances = codewords.square().sum(-1)[:, None] - 2 * torch.bmm(slices - centre, codewords.mT)  # (M, n, ksub)
    along = torch.bmm(directions, codebooks.mT)  # (M, n, ksub): <u_m, B_mk>
    chosen = torch.stack([along[m].gather(1, codes[:, m, None])[:, 0] for m in range(M)])
    parallel = (unit * residuals).sum(1) - chosen.sum(0)  # <u, e>
    for _ in range(sweeps):
        before = codes.clone()
        for m in range(M):
            without = parallel + chosen[m]
            loss = torch.addcmul(distances[m], without[:, None] - along[m], without[:, None] - along[m], value=weight)
            # The present codeword stays unless another is strictly better: the sweeps then come to an end.
            held = loss.gather(1, codes[:, m, None])[:, 0]
            best, place = loss.min(1)
            codes[:, m] = torch.where(best < held, place, codes[:, m])
            chosen[m] = along[m].gather(1, codes[:, m, None])[:, 0]
            parallel = without - chosen[m]
        if not is_exporting() and torch.equal(before, codes):
            break
