"""Matchings against a naive sorted greedy and against all matchings, one by one."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from poeem.functional.matching import greedy_pairs, random_pairs, steepest_pairs


def naive_greedy(weights: np.ndarray) -> list[tuple[int, int]]:
    pairs = [(i, j) for i in range(len(weights)) for j in range(i + 1, len(weights))]
    pairs.sort(key=lambda pair: -weights[pair])  # stable: ties stay in row-major order
    taken, found = set(), []
    for i, j in pairs:
        if not {i, j} & taken:
            taken |= {i, j}
            found.append((i, j))
    return sorted(found)


def as_sorted(pairs: torch.Tensor) -> list[tuple[int, int]]:
    return sorted((i, j) for i, j in pairs.tolist())


@pytest.mark.parametrize("dim", [0, 1, 2, 3, 4, 9, 32, 65, 150])
def test_greedy_equals_the_sorted_greedy(dim):
    for seed in range(5):
        weights = np.random.default_rng((dim, seed)).normal(size=(dim, dim))
        assert as_sorted(greedy_pairs(torch.from_numpy(weights))) == naive_greedy(weights)


@pytest.mark.parametrize("levels", [1, 2, 5])
@pytest.mark.parametrize("dim", [2, 7, 31, 50, 141])
def test_greedy_breaks_ties_by_the_lowest_index(dim, levels):
    for seed in range(5):
        weights = np.random.default_rng((dim, seed)).integers(0, levels, size=(dim, dim)).astype(np.float32)
        assert as_sorted(greedy_pairs(torch.from_numpy(weights))) == naive_greedy(weights)


def test_greedy_ends_on_chains_and_products():
    # One pair a round: the heaviest pair takes the best partner of everyone else.
    ranks = np.arange(1.0, 181.0)
    for weights in (np.outer(ranks, ranks), np.minimum.outer(ranks, ranks), np.zeros((180, 180))):
        assert as_sorted(greedy_pairs(torch.from_numpy(weights))) == naive_greedy(weights)


def test_greedy_reads_the_upper_triangle_of_any_real_dtype():
    weights = torch.tensor([[9.0, 1.0, 2.0], [8.0, 9.0, 3.0], [8.0, 7.0, 9.0]])
    for dtype in (torch.bfloat16, torch.float16, torch.float32, torch.float64, torch.int32):
        assert greedy_pairs(weights.to(dtype)).tolist() == [[1, 2]]
    assert greedy_pairs(weights.requires_grad_()).tolist() == [[1, 2]]


def test_greedy_leaves_the_weights_alone():
    weights = torch.rand(8, 8)
    kept = weights.clone()
    greedy_pairs(weights)
    assert torch.equal(weights, kept)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_greedy_on_a_gpu():
    weights = torch.rand(64, 64)
    pairs = greedy_pairs(weights.cuda())
    assert pairs.is_cuda
    assert torch.equal(pairs.cpu(), greedy_pairs(weights))


def test_random_pairs_depend_on_seed_and_step_only():
    torch.manual_seed(1)
    first = random_pairs(10, seed=3, step=7)
    torch.manual_seed(2)
    np.random.default_rng(0)
    assert torch.equal(first, random_pairs(10, seed=3, step=7))
    assert not torch.equal(first, random_pairs(10, seed=3, step=8))
    assert not torch.equal(first, random_pairs(10, seed=4, step=7))


def test_random_pairs_are_uniform_matchings():
    counts = np.zeros((5, 5))
    for step in range(2000):
        pairs = random_pairs(5, seed=0, step=step)
        assert len(set(pairs.flatten().tolist())) == 4
        assert (pairs[:, 0] < pairs[:, 1]).all()
        counts[tuple(pairs.T.numpy())] += 1
    # Each of the 10 planes is in 2 of 10 expected pairs: 400 of 2000 steps, standard deviation 18.
    assert abs(counts[np.triu_indices(5, 1)] - 400).max() < 5 * 18


@pytest.mark.parametrize("dim", [2, 5, 6])
def test_steepest_is_the_heaviest_of_all_matchings(dim):
    def heaviest(free: tuple[int, ...]) -> float:
        if len(free) < 2:
            return 0.0
        head, *tail = free
        with_head = [weights[head, j] + heaviest(tuple(k for k in tail if k != j)) for j in tail]
        return max(with_head + ([heaviest(tuple(tail))] if len(free) % 2 else []))

    for seed in range(5):
        weights = np.random.default_rng(seed).uniform(size=(dim, dim))
        pairs = steepest_pairs(torch.from_numpy(weights))
        assert len(pairs) == dim // 2
        assert sum(weights[i, j] for i, j in pairs.tolist()) == pytest.approx(heaviest(tuple(range(dim))))


def test_steepest_beats_greedy_on_the_trap():
    # The greedy takes the 3 in the middle and is left with the 0 outside; the best is 2 + 2.
    weights = torch.tensor([[0, 2, 0, 0], [0, 0, 3, 0], [0, 0, 0, 2], [0, 0, 0, 0]])
    assert steepest_pairs(weights).tolist() == [[0, 1], [2, 3]]
    assert as_sorted(greedy_pairs(weights)) == [(0, 3), (1, 2)]


def test_steepest_without_networkx(monkeypatch):
    monkeypatch.setitem(sys.modules, "networkx", None)
    with pytest.raises(ImportError, match="pip install"):
        steepest_pairs(torch.zeros(4, 4))


def test_refuses():
    with pytest.raises(ValueError, match=r"weights \(of shape \(2, 3\)\) must be square"):
        greedy_pairs(torch.zeros(2, 3))
    with pytest.raises(ValueError, match="weights must be finite"):
        greedy_pairs(torch.full((3, 3), float("nan")))
    with pytest.raises(ValueError, match=r"dim \(=129\) must be at most 128.*use the greedy one"):
        steepest_pairs(torch.zeros(129, 129))
    with pytest.raises(ValueError, match=r"seed \(=-1\)"):
        random_pairs(4, seed=-1, step=0)
