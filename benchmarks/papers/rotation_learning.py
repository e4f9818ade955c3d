"""Experiment of the second paper: distortion by iteration, and time, of rotations for a product quantizer.

GloVe vectors of unit length, PQ10x8. An iteration assigns the codes, moves every codeword to the mean of its slices
(one Lloyd step) and updates the rotation by one step for these codes. All methods start from the same codewords of the
unrotated vectors. The step is

    none     nothing: plain PQ
    SVD      OPQ's: the best rotation for the codes, by the SVD of a (100, 100) matrix
    GCD-R/G/S   50 disjoint planes, random / greedy / steepest, each rotated by its best angle (no learning rate);
             GCD-S is exact matching in Python, most of a second a step
    GCD-G, 10 blocks   the same ten times for one assignment
    GCD-G, Adam; Cayley, Adam   one step of Adam on the layers that training uses; the learning rate is the best of a
             grid on other vectors of the same set

`rotation ms` is the step alone, given x^T y, which all methods except `none` need; `iteration ms` is everything. Both
are processor time, not wall time, so that other load on the machine changes them little.

    python -m benchmarks.papers.rotation_learning --json benchmarks/results/rotation_learning-identity-0.json
    python -m benchmarks.papers.rotation_learning --start axes ...

`--start` is the first R: `identity`, the coordinates as they come; `random`; or `axes`, the principal axes distributed
over the slices, as in a warm start of this library.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.record import Record, parse, picked, progress, script_parser
from poeem.data.datasets import load_embedded
from poeem.functional.decomposition import balanced_axes
from poeem.functional.distortion import distortion
from poeem.functional.givens import best_angles, rotate_pairs
from poeem.functional.kmeans import codeword_means, kmeans
from poeem.functional.matching import greedy_pairs, random_pairs, steepest_pairs
from poeem.functional.nearest import assign_nearest
from poeem.functional.pq import decode_codes, split
from poeem.functional.procrustes import procrustes
from poeem.layers.rotation import make_rotation

M, KSUB, SEEDING = 10, 256, 10
BLOCKS = 10
NAMES = ("none", "SVD", "GCD-R", "GCD-G", "GCD-S", f"GCD-G, {BLOCKS} blocks", "GCD-G, Adam", "Cayley, Adam")
RATES = (0.003, 0.01, 0.03, 0.1)
SAMPLE = 10_000  # vectors that the learning rates are chosen on

# One step: the present rotation and x^T y, both (dim, dim), to the next rotation.
Step = Callable[[Tensor, Tensor], Tensor]


def planes(choose: Callable[[Tensor], Tensor], blocks: int = 1) -> Step:
    """Blocks of disjoint planes, each rotated by the angle that lowers the distortion most."""

    def step(R: Tensor, correlation: Tensor) -> Tensor:
        for _ in range(blocks):
            product = R.T @ correlation
            pairs = choose((product - product.T).abs())
            R = rotate_pairs(R, pairs, best_angles(product, pairs))
        return R

    return step


def random_planes(dim: int, seed: int) -> Step:
    done = iter(range(10**9))
    return planes(lambda weights: random_pairs(dim, seed, next(done)))


def gradient_step(kind: str, dim: int, rows: int, rate: float) -> Step:
    """Adam on a rotation layer; of the distortion only ``-2 <x^T y, R> / n`` depends on R."""
    layer = make_rotation(dim, kind)
    optimizer = torch.optim.Adam(layer.parameters(), lr=rate)

    def step(R: Tensor, correlation: Tensor) -> Tensor:
        optimizer.zero_grad()
        layer.matrix().backward((-2 / rows) * correlation)
        optimizer.step()
        return layer.matrix().detach()

    return step


def learn(x: Tensor, codebooks: Tensor, step: Step | None, iterations: int) -> dict[str, list[float]]:
    """``distortion`` before and after every iteration, and ``rotation_ms`` and ``iteration_ms`` of each."""
    R = torch.eye(x.shape[1])
    found: dict[str, list[float]] = {"distortion": [], "rotation_ms": [], "iteration_ms": []}
    y = x
    for iteration in range(iterations + 1):
        started = time.process_time()
        codes = assign_nearest(split(y, M), codebooks)
        found["distortion"].append(float(distortion(y, decode_codes(codes, codebooks))))
        if iteration == iterations:
            break
        codebooks = codeword_means(split(y, M), codes, codebooks, torch.Generator().manual_seed(iteration))
        if step is not None:
            correlation = x.T @ decode_codes(codes, codebooks)
            rotation_started = time.process_time()
            R = step(R, correlation)
            found["rotation_ms"].append(1000 * (time.process_time() - rotation_started))
            y = x @ R
        found["iteration_ms"].append(1000 * (time.process_time() - started))
    return found


def best_rate(kind: str, x: Tensor, iterations: int, seed: int) -> float:
    codebooks = first_codebooks(x, seed)
    found = {
        rate: learn(x, codebooks, gradient_step(kind, x.shape[1], len(x), rate), iterations)["distortion"][-1]
        for rate in progress(RATES, f"{kind}, learning rate")
    }
    return min(found, key=lambda rate: found[rate])


def first_codebooks(x: Tensor, seed: int) -> Tensor:
    return kmeans(split(x, M), KSUB, iterations=SEEDING, generator=torch.Generator().manual_seed(seed))


def methods(
    x: Tensor, held_out: Tensor, iterations: int, seed: int
) -> dict[str, Callable[[], tuple[Step | None, Any]]]:
    """What makes the step, and the learning rate it was given, by the method's name."""
    rows, dim = x.shape

    def tuned(kind: str) -> tuple[Step, float]:
        rate = best_rate(kind, held_out, iterations, seed)
        return gradient_step(kind, dim, rows, rate), rate

    return {
        "none": lambda: (None, None),
        "SVD": lambda: (lambda R, correlation: procrustes(torch.eye(dim), correlation), None),
        "GCD-R": lambda: (random_planes(dim, seed), None),
        "GCD-G": lambda: (planes(greedy_pairs), None),
        "GCD-S": lambda: (planes(steepest_pairs), None),
        f"GCD-G, {BLOCKS} blocks": lambda: (planes(greedy_pairs, BLOCKS), None),
        "GCD-G, Adam": lambda: tuned("givens-greedy"),
        "Cayley, Adam": lambda: tuned("cayley"),
    }


def main() -> None:
    parser = script_parser(__doc__)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--iterations", type=int, default=100)
    parser.add_argument("--start", choices=("identity", "random", "axes"), default="identity")
    parser.add_argument("--methods", nargs="+", default=NAMES, choices=NAMES)
    args = parse(parser)
    record = Record(args, picked(args, "rows", "iterations", "start"))
    items = load_embedded("glove").items
    rng = np.random.default_rng(args.seed)
    sample = rng.choice(len(items), args.rows + SAMPLE, replace=False)
    x, held_out = (torch.from_numpy(np.array(items[np.sort(part)])) for part in np.split(sample, [args.rows]))
    start = {
        "identity": lambda: torch.eye(x.shape[1]),
        "random": lambda: torch.from_numpy(np.linalg.qr(rng.standard_normal(x.shape[1:] * 2))[0]).float(),
        "axes": lambda: balanced_axes(x, M),
    }[args.start]()
    x, held_out = x @ start, held_out @ start
    codebooks = first_codebooks(x, args.seed)
    places = [place for place in (1, 10, 20, 50, 100, 200) if place <= args.iterations]
    print("distortion after " + ", ".join(map(str, places)) + " iterations; rotation and iteration, median ms")
    for name, make in methods(x, held_out, args.iterations, args.seed).items():
        if name in record.rows or name not in args.methods:
            continue
        step, rate = make()
        found = learn(x, codebooks, step, args.iterations)
        times = {part: statistics.median(found[part] or [0.0]) for part in ("rotation_ms", "iteration_ms")}
        record.add(name, {"distortion": found["distortion"], "learning_rate": rate, **times})
        print(
            f"{name:14}" + "".join(f"{found['distortion'][place]:9.5f}" for place in places)
            + f"{times['rotation_ms']:10.2f}{times['iteration_ms']:9.1f}", flush=True
        )  # fmt: skip


if __name__ == "__main__":
    main()
