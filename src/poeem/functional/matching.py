"""Matchings of coordinates, random or by weight: the planes that a Givens step rotates together."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

# Blossom takes seconds for one step at this width.
STEEPEST_MAX_DIM = 128
# Up to this width a table fits the cache, and is searched faster than it is copied.
COMPACT_ABOVE = 128
# Up to this number coordinates are matched faster by a sort and a loop than by further rounds.
SORT_UP_TO = 32


def random_pairs(dim: int, seed: int, step: int) -> Tensor:
    """Pair up coordinates at random, as a function of ``(seed, step)`` alone.

    Every process of a distributed run, and a resumed run, thus takes the same pairs without communication.

    Args:
        dim: number of coordinates; an odd one leaves one coordinate free.
        seed, step: whole numbers of 0 or more.
    Returns:
        int64, ``(dim // 2, 2)``, i < j in each row, on the CPU.
    Raises:
        ValueError: an argument is negative.

    >>> random_pairs(5, seed=0, step=3).shape
    torch.Size([2, 2])
    """
    if min(dim, seed, step) < 0:
        raise ValueError(f"dim (={dim}), seed (={seed}) and step (={step}) must be 0 or more")
    order = np.random.default_rng((seed, step)).permutation(dim)
    return torch.from_numpy(np.sort(order[: dim // 2 * 2].reshape(-1, 2), axis=1))


def greedy_pairs(weights: Tensor) -> Tensor:
    """Match coordinates greedily: repeatedly take the heaviest pair whose coordinates are both free.

    All coordinates are matched, also by negative weights. The total of positive weights is at least half of that of the
    heaviest matching. All pairs that are the best choice of both their coordinates are taken in one round, because the
    greedy rule would take them too. A round matches about half of the coordinates, so random weights need O(log dim)
    rounds and O(dim^2) work.

    Args:
        weights: real, ``(dim, dim)``; only the strict upper triangle is read. Of equal weights the pair with the lowest
            i, then the lowest j, comes first.
    Returns:
        int64, ``(dim // 2, 2)``, i < j in each row, on the device of ``weights``. The order of the rows has no meaning,
        but equal weights give an equal order. An odd ``dim`` leaves one coordinate free.
    Raises:
        ValueError: ``weights`` is not square or not finite.
    Source:
        Preis, "Linear time 1/2-approximation algorithm for maximum weighted matching in general graphs", 1999
        (locally dominant edges); Jiang et al., ICLR 2022 (the greedy choice of planes).

    >>> greedy_pairs(torch.tensor([[0.0, 3.0, 5.0, 1.0], [0.0, 0.0, 4.0, 2.0], [0.0] * 4, [0.0] * 4])).tolist()
    [[0, 2], [1, 3]]
    """
    table = _symmetric(weights)
    row = np.arange(len(table))
    coordinate = row  # the coordinate of each row of the table
    free = np.ones(len(table), dtype=bool)
    found = [row[:0]]
    best = table.argmax(1) if len(table) else row
    left = row
    while len(left) > SORT_UP_TO:
        # argmax takes the first of equal values, and along a row that is the order (lowest i, then lowest j) of the
        # pairs: all coordinates agree on one order, so the first pair of it is always mutual and a round never fails.
        first = ((best[best] == row) & (row < best) & free).nonzero()[0]
        pair = np.concatenate([first, best[first]])
        found.append(coordinate[pair])
        free[pair] = False
        left = free.nonzero()[0]
        if len(first) == 1 and len(table) > COMPACT_ABOVE and _all_equal(table, left):
            # Equal weights would take one round per pair, which is slow in a wide table; the order is known.
            found.append(coordinate[left[: len(left) // 2 * 2]].reshape(-1, 2).T.reshape(-1))
            left = left[:0]
            break
        if len(table) > COMPACT_ABOVE and 4 * len(left) <= 3 * len(table):
            coordinate, table = coordinate[left], table[left][:, left]
            left = row = row[: len(left)]
            free = free[left] | True
            best = table.argmax(1) if len(left) else left
            continue
        # The table is small, or few were matched (rank-one weights match one pair a round): copying the rest would cost
        # more than searching again where the choice is gone.
        table[:, pair] = -np.inf
        stale = left[~free[best[left]]] if len(table) > COMPACT_ABOVE else row
        if 2 * len(stale) < len(table):
            best[stale] = table[stale].argmax(1)
        else:
            best = table.argmax(1)
    found.append(coordinate[left[_sorted_greedy(table[left][:, left])]])
    pairs = np.concatenate([pair.reshape(2, -1).T for pair in found])
    return torch.from_numpy(pairs).to(weights.device)


def steepest_pairs(weights: Tensor) -> Tensor:
    """Match coordinates with the largest total weight, by the blossom algorithm of networkx: exact, and slow. As many
    coordinates as possible are matched, also by negative weights.

    Args:
        weights: real, ``(dim, dim)``, ``dim`` <= 128; the strict upper triangle is read.
    Returns:
        int64, ``(dim // 2, 2)``, i < j in each row, sorted, on the device of ``weights``.
    Raises:
        ValueError: ``weights`` is not square, not finite or wider than 128.
        ImportError: networkx is not installed.
    Source:
        Edmonds, "Paths, trees, and flowers", 1965; Jiang et al., ICLR 2022 (the steepest choice of planes).

    >>> steepest_pairs(torch.tensor([[0.0, 3.0, 5.0, 1.0], [0.0, 0.0, 4.0, 2.0], [0.0] * 4, [0.0] * 4])).tolist()
    [[0, 2], [1, 3]]
    """
    if len(weights) > STEEPEST_MAX_DIM:
        raise ValueError(
            f"dim (={len(weights)}) must be at most {STEEPEST_MAX_DIM} for the exact matching, which takes O(dim^3) in "
            f"Python; use the greedy one, as good in practice"
        )
    table = _symmetric(weights)
    try:
        import networkx
    except ImportError as error:
        raise ImportError("the steepest matching needs networkx: pip install networkx") from error
    graph = networkx.Graph()
    graph.add_weighted_edges_from(
        (i, j, float(table[i, j])) for i in range(len(table)) for j in range(i + 1, len(table))
    )
    matched = networkx.max_weight_matching(graph, maxcardinality=True)
    pairs = torch.tensor(sorted(sorted(pair) for pair in matched), dtype=torch.int64).reshape(-1, 2)
    return pairs.to(weights.device)


def _symmetric(weights: Tensor) -> np.ndarray:
    """The upper triangle, mirrored, with -inf on the diagonal, so that no coordinate is its own best.

    In numpy on every device: its argmax is several times faster than torch's on a CPU, and copying the table from an
    accelerator once takes less time than waiting for every round.
    """
    if weights.dim() != 2 or weights.shape[0] != weights.shape[1]:
        raise ValueError(f"weights (of shape {tuple(weights.shape)}) must be square, (dim, dim)")
    weights = weights.detach()
    if weights.dtype != torch.float64:
        weights = weights.float()
    upper = weights.triu(1).cpu().numpy()
    table = upper + upper.T
    if not np.isfinite(table).all():
        raise ValueError("weights must be finite; found NaN or infinite values in the upper triangle")
    table.reshape(-1)[:: len(table) + 1] = -np.inf
    return table


def _sorted_greedy(table: np.ndarray) -> np.ndarray:
    """The greedy matching by its definition: all i, then all j."""
    rows, columns = _triangle(len(table))
    order = np.argsort(-table[rows, columns], kind="stable")
    free, first, second = [True] * len(table), [], []
    for i, j in zip(rows[order].tolist(), columns[order].tolist()):
        if free[i] and free[j]:
            free[i] = free[j] = False
            first.append(i)
            second.append(j)
            if 2 * len(first) >= len(free) - 1:
                break
    return np.array(first + second, dtype=np.int64)


@lru_cache(maxsize=SORT_UP_TO + 1)
def _triangle(dim: int) -> tuple[np.ndarray, np.ndarray]:
    return np.triu_indices(dim, 1)


def _all_equal(table: np.ndarray, rows: np.ndarray) -> bool:
    """Whether all weights between these rows are one value; the diagonal is -inf and is ignored."""
    if len(rows) < 2:
        return False
    value = table[rows[0], rows[1]]
    # One row first: it nearly always decides.
    return bool((table[rows[0], rows[1:]] == value).all()) and bool(
        np.count_nonzero(table[np.ix_(rows, rows)] == value) == len(rows) * (len(rows) - 1)
    )
