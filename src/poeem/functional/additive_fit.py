"""Fit the codebooks of an additive quantizer to a sample of vectors."""

from __future__ import annotations

import torch
from torch import Tensor

from poeem.functional.additive import decode_additive, encode_additive, extend_beam, start_beam
from poeem.functional.distortion import distortion
from poeem.functional.progressive_kmeans import progressive_kmeans
from poeem.functional.usage import count_codes

# Codewords solved for at once; their co-occurrence matrix takes 128 MiB in float64.
_MOST_CODEWORDS = 4096
# Residuals for a k-means, faiss's own rule: more do not improve it.
_ROWS_PER_CODEWORD = 256
# Without damping the codewords overfit a sample of a few thousand vectors.
_DAMPING = 8.0


@torch.no_grad()
def fit_additive(
    x: Tensor,
    M: int,
    ksub: int,
    *,
    beam: int = 5,
    iterations: int = 5,
    rounds: int = 4,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Fit the codebooks one after the other by k-means of the residuals so far, then all at once by least squares.

    Between the k-means the vectors are encoded by beam search, as in faiss, and the residual of every partial sum of
    the beam is a row of the next k-means. A round then encodes and solves for the codewords that fit those codes best.
    It is kept only if encoding with the new codewords lowers the distortion.

    Args:
        x: float32, ``(n, dim)``, at least ``ksub`` rows.
        M, ksub: number of codebooks, and of codewords in each.
        beam: of the encoding, see `encode_additive`.
        iterations: of each k-means, see `progressive_kmeans`.
        rounds: of encoding and least squares; the most.
        generator: a CPU generator.
    Returns:
        float32 ``(M, ksub, dim)``.
    Raises:
        ValueError: fewer rows than codewords of a codebook.
    Source:
        Chen, Guan, Wang, "Approximate nearest neighbor search by residual vector quantization", 2010; Babenko and
        Lempitsky, "Additive quantization for extreme vector compression", 2014, section 3.2 (least squares).

    >>> x = torch.tensor([[-5.0], [-3.0], [3.0], [5.0]])
    >>> codebooks = fit_additive(x, M=2, ksub=2, beam=1, generator=torch.Generator().manual_seed(0))
    >>> bool(distortion(x, decode_additive(encode_additive(x, codebooks), codebooks)) < 1e-8)
    True
    """
    if len(x) < ksub:
        raise ValueError(
            f"x (={len(x)} rows) must have at least ksub (={ksub}) rows; give more rows or fewer codewords"
        )
    codebooks, codes = _stage_by_stage(x, M, ksub, beam, iterations, generator)
    error = float(distortion(x, decode_additive(codes, codebooks)))
    for _ in range(rounds):
        tried = least_squares_codewords(x, codes, codebooks)
        tried_codes = encode_additive(x, tried, beam)
        tried_error = float(distortion(x, decode_additive(tried_codes, tried)))
        if not tried_error < error:
            break
        codebooks, codes, error = tried, tried_codes, tried_error
    return codebooks


def _stage_by_stage(
    x: Tensor, M: int, ksub: int, beam: int, iterations: int, generator: torch.Generator | None
) -> tuple[Tensor, Tensor]:
    """Codebooks ``(M, ksub, dim)``, and the codes that encoding by them gives, ``(n, M)``."""
    codebooks = x.new_empty(M, ksub, x.shape[1])
    codes, cost = start_beam(x)
    for m in range(M):
        rows = _ROWS_PER_CODEWORD * ksub
        residual = x if m == 0 else _residuals(x, codes, codebooks[:m], max(len(x), rows), generator)
        codebooks[m] = progressive_kmeans(residual, ksub, iterations=iterations, generator=generator)
        codes, cost = extend_beam(x, codebooks[: m + 1], codes, cost, beam)
    return codebooks, codes[:, 0]


def _residuals(x: Tensor, codes: Tensor, codebooks: Tensor, most: int, generator: torch.Generator | None) -> Tensor:
    """Residuals of the partial sums ``(n, width, m)``, of a random sample of at most ``most``."""
    width = codes.shape[1]
    chosen = torch.randperm(len(x) * width, generator=generator)[:most].to(x.device)
    return x[chosen // width] - decode_additive(codes.flatten(0, 1)[chosen], codebooks)


def least_squares_codewords(x: Tensor, codes: Tensor, codebooks: Tensor, damping: float = _DAMPING) -> Tensor:
    """Find the codewords that reconstruct best with given codes: ``argmin_B ‖X - H B‖² + damping · ‖B - B₀‖²``.

    Very many codewords are solved for in groups of codebooks, one group after the other, which is not exact.

    ``H`` is the one-hot matrix of the codes. The damping fixes what the codes leave undetermined: codewords that are
    not used, and constants that could move from one codebook to another.

    Args:
        x: float, ``(n, dim)``.
        codes: integers, ``(n, M)``.
        codebooks: float, ``(M, ksub, dim)``: ``B₀``; not changed.
        damping: number of vectors that hold each codeword where it was, above 0.
    Returns:
        ``(M, ksub, dim)``, of the type of ``codebooks``.

    >>> x, codes = torch.tensor([[1.0], [3.0]]), torch.tensor([[0], [0]])
    >>> least_squares_codewords(x, codes, torch.zeros(1, 2, 1), damping=0.0001)
    tensor([[[1.9999],
             [0.0000]]])
    """
    (M, ksub, dim), found = codebooks.shape, codebooks.double()
    at_once = max(1, _MOST_CODEWORDS // ksub)
    for start in range(0, M, at_once):  # Gauss-Seidel over groups of codebooks, where they are too many for one solve
        group = slice(start, start + at_once)
        some = codes[:, group].long()
        residual = x.double() - decode_additive(codes, found)
        pull = found.new_zeros(some.shape[1], ksub, dim)
        for m in range(some.shape[1]):
            pull[m].index_add_(0, some[:, m], residual)
        matrix = cooccurrence(some, ksub).double()
        matrix.diagonal().add_(damping)
        step = torch.cholesky_solve(pull.flatten(0, 1), torch.linalg.cholesky(matrix))
        found[group] += step.view(-1, ksub, dim)
    return found.to(codebooks.dtype)


def cooccurrence(codes: Tensor, ksub: int) -> Tensor:
    """Count how often two codewords occur in one code: codes ``(n, M)`` to int64 ``(M * ksub, M * ksub)``.

    >>> cooccurrence(torch.tensor([[0, 1], [0, 0]]), 2)
    tensor([[2, 0, 1, 1],
            [0, 0, 0, 0],
            [1, 0, 1, 0],
            [1, 0, 0, 1]])
    """
    M = codes.shape[1]
    blocks = codes.new_zeros(M, ksub, M, ksub, dtype=torch.int64)
    for l in range(M):
        for m in range(M):
            pairs = (codes[:, l] * ksub + codes[:, m])[:, None]
            blocks[l, :, m] = count_codes(pairs, ksub * ksub).view(ksub, ksub)
    return blocks.view(M * ksub, M * ksub)
