"""k-means of all slices at once: seeding, Lloyd's iterations, reseeding of empty clusters."""

from __future__ import annotations

import torch
from torch import Tensor

from poeem.functional.nearest import assign_nearest

# Rows per cluster from which seeds are sampled: enough to separate the clusters, and seeding stays cheap.
_SEEDING_ROWS = 32


def kmeans(x: Tensor, k: int, *, iterations: int = 20, generator: torch.Generator | None = None) -> Tensor:
    """Find the centroids of every slice by k-means++ seeding and Lloyd's iterations.

    Args:
        x: float32, ``(n, M, dsub)``: M independent problems; plain k-means is ``M = 1``.
        k: number of centroids, at most ``n``.
        iterations: the most Lloyd iterations; it stops earlier once no assignment changes.
        generator: CPU generator, for results that can be repeated.
    Returns:
        float32, ``(M, k, dsub)``.
    Raises:
        ValueError: there are fewer rows than centroids.
    Source:
        Arthur and Vassilvitskii, "k-means++: the advantages of careful seeding", 2007.

    >>> x = torch.tensor([0.0, 0.1, 5.0, 5.1]).reshape(4, 1, 1)
    >>> kmeans(x, 2).flatten().sort().values
    tensor([0.0500, 5.0500])
    """
    if x.shape[0] < k:
        raise ValueError(f"x (={x.shape[0]} rows) must have at least k (={k}) rows; give more rows or a smaller k")
    return lloyd(x, seed_codewords(x, k, generator=generator), iterations=iterations, generator=generator)


@torch.no_grad()
def seed_codewords(x: Tensor, k: int, *, generator: torch.Generator | None = None) -> Tensor:
    """Choose the first centroids by k-means++.

    Each seed is a row, sampled with a probability proportional to its squared distance to the nearest earlier seed.

    Args:
        x: float32, ``(n, M, dsub)``.
        k: number of seeds, at most ``n``.
        generator: CPU generator.
    Returns:
        float32, ``(M, k, dsub)``, rows of ``x``.
    """
    n, M, _ = x.shape
    kept = _sample_rows(n, min(n, _SEEDING_ROWS * k), generator).to(x.device)
    slices = x[kept].transpose(0, 1).contiguous()
    every = torch.arange(M, device=x.device)
    seeds = torch.empty(M, k, x.shape[2], dtype=x.dtype, device=x.device)
    error = torch.full(slices.shape[:2], torch.inf, dtype=x.dtype, device=x.device)
    draws = torch.rand(k, M, generator=generator).to(x.device)
    for j in range(k):
        # The first seed, and those of a slice whose rows are all taken, are sampled uniformly.
        weights = torch.where(error.isfinite() & (error.sum(1, keepdim=True) > 0), error, 1.0)
        steps = weights.cumsum(1)
        row = torch.searchsorted(steps, draws[j, :, None] * steps[:, -1:]).clamp_max_(steps.shape[1] - 1)[:, 0]
        seeds[:, j] = slices[every, row]
        torch.minimum(error, (slices - seeds[:, j, None]).square().sum(-1), out=error)
    return seeds


@torch.no_grad()
def lloyd(x: Tensor, codewords: Tensor, *, iterations: int, generator: torch.Generator | None = None) -> Tensor:
    """Improve codewords by Lloyd's iterations: assign every row to the nearest codeword, then move codewords to the
    means.

    Args:
        x: float32, ``(n, M, dsub)``.
        codewords: float32, ``(M, k, dsub)``; not changed.
        iterations: the most iterations; it stops earlier once no assignment changes.
        generator: CPU generator for codewords without rows, see `codeword_means`.
    Returns:
        float32, ``(M, k, dsub)``.
    """
    codes = None
    for _ in range(iterations):
        before, codes = codes, assign_nearest(x, codewords)
        if before is not None and torch.equal(before, codes):
            break
        codewords = codeword_means(x, codes, codewords, generator)
    return codewords


def codeword_means(x: Tensor, codes: Tensor, codewords: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Compute the mean of each codeword's rows. A codeword without rows moves to a row with a large error.

    Args:
        x: float32, ``(n, M, dsub)``.
        codes: int64, ``(n, M)``: the codeword of every slice.
        codewords: float32, ``(M, k, dsub)``: the codewords that gave these codes; not changed.
        generator: CPU generator that chooses the rows with large errors.
    Returns:
        float32, ``(M, k, dsub)``.
    """
    M, k, dsub = codewords.shape
    rows = (codes + torch.arange(M, device=x.device) * k).flatten()
    counts = torch.bincount(rows, minlength=M * k).to(x.dtype)
    sums = torch.zeros(M * k, dsub, dtype=x.dtype, device=x.device).index_add_(0, rows, x.reshape(-1, dsub))
    means = (sums / counts.clamp_min(1)[:, None]).view(M, k, dsub)
    for m in (counts.view(M, k) == 0).any(1).nonzero().flatten().tolist():
        empty = (counts.view(M, k)[m] == 0).nonzero().flatten()
        means[m, empty] = worst_rows(x[:, m], codewords[m, codes[:, m]], len(empty), generator)
    return means


def worst_rows(x: Tensor, x_hat: Tensor, count: int, generator: torch.Generator | None = None) -> Tensor:
    """Sample rows with large errors, as new places of codewords that no row uses.

    The probability of a row is proportional to its squared error. The rows of the largest errors would not do: they are
    outliers, and often neighbours of each other.

    Args:
        x, x_hat: float, ``(n, dsub)``: rows, and their codewords.
        count: number of rows. Rows repeat only if ``count`` is above ``n``.
        generator: CPU generator.
    Returns:
        float, ``(count, dsub)``, rows of ``x``.
    """
    error = (x - x_hat).square().sum(1).cpu()
    # An exponential race: the smallest t_i / error_i are a weighted sample without repeats.
    times = torch.empty_like(error).exponential_(generator=generator) / error.clamp_min(torch.finfo(error.dtype).tiny)
    rows = times.argsort()[torch.arange(count) % len(times)]
    return x[rows.to(x.device)]


def _sample_rows(n: int, count: int, generator: torch.Generator | None) -> Tensor:
    return torch.randperm(n, generator=generator)[:count] if count < n else torch.arange(n)
