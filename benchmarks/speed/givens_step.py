"""Time of one step of the rotation: Givens planes, the SVD (as in OPQ) and the Cayley solve.

    python -m benchmarks.speed.givens_step --seed 0 --json benchmarks/results/givens-0.json

A Givens step is everything except the loss: the skew gradient of R and dloss/dR, the choice of planes and their
rotation. The SVD is that of one (dim, dim) float32 matrix, the main part of a Procrustes step, without the product that
makes the matrix. Milliseconds: medians over repeats in which all methods alternate, so that other load on the machine
slows all of them equally.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks.record import Record, parse, script_parser
from poeem.functional.cayley import cayley
from poeem.functional.givens import rotate_pairs, skew_gradient
from poeem.functional.matching import greedy_pairs, random_pairs
from poeem.layers.rotation import GivensRotation


def givens_step(R: Tensor, G: Tensor, choose: Callable[[Tensor], Tensor]) -> Tensor:
    A = skew_gradient(R, G)
    pairs = choose(A.abs())
    return rotate_pairs(R, pairs, -1e-3 * A[pairs[:, 0], pairs[:, 1]])


def layer_step(rotation: GivensRotation, optimizer: torch.optim.Optimizer, G: Tensor) -> None:
    """matrix(), backward, the optimizer's step; the next matrix() folds."""
    rotation.matrix().backward(G)
    optimizer.step()
    optimizer.zero_grad()


def methods(dim: int, seed: int) -> dict[str, Callable[[], object]]:
    generator = torch.Generator().manual_seed(seed)
    R = torch.linalg.qr(torch.randn(dim, dim, generator=generator))[0]
    # The gradient of a distortion: products of a batch and its errors, on axes of falling variance.
    scales = torch.arange(1, dim + 1) ** -0.5
    x, y = torch.randn(2, 4 * dim, dim, generator=generator) * scales
    G = (x.T @ (x @ R - y)) / len(x)
    rotation = GivensRotation(dim)
    optimizer = torch.optim.Adam(rotation.parameters(), lr=1e-3)
    return {
        "givens-greedy": lambda: givens_step(R, G, greedy_pairs),
        "givens-random": lambda: givens_step(R, G, lambda weights: random_pairs(dim, seed, 0)),
        "svd": lambda: torch.linalg.svd(G),
        "cayley solve": lambda: cayley(R - R.T),
        "layer, with Adam": lambda: layer_step(rotation, optimizer, G),
    }


def measure(dim: int, seed: int, repeats: int) -> dict[str, float]:
    steps = methods(dim, seed)
    times: dict[str, list[float]] = {name: [] for name in steps}
    for repeat in range(repeats + 2):
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            if repeat >= 2:  # the first rounds warm up
                times[name].append(1000 * (time.perf_counter() - start))
    return {name: statistics.median(values) for name, values in times.items()}


def main() -> None:
    parser = script_parser(__doc__)
    parser.add_argument("--dims", default="64,128,256,512")
    parser.add_argument("--repeats", type=int, default=15)
    args = parse(parser)
    record = Record(args, {})
    for dim in map(int, args.dims.split(",")):
        medians = measure(dim, args.seed, args.repeats)
        ratio = medians["svd"] / medians["givens-greedy"]
        if not record.rows:
            print("  dim " + "".join(f"{name + ' ms':>20}" for name in medians) + f"{'svd / greedy':>16}")
        print(f"{dim:5d} " + "".join(f"{value:20.3f}" for value in medians.values()) + f"{ratio:16.1f}")
        record.add(f"dim {dim}", {"dim": dim, "milliseconds": medians, "svd_over_greedy": ratio})


if __name__ == "__main__":
    main()
