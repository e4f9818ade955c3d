"""The query maps among which a fit chooses: full, of low rank, and a small network."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F

from poeem.functional.linear_map import LinearMap, fit_linear_map, low_rank

RIDGES = (1e-3, 1e-2, 1e-1)
# Shares of the full rank.
RANKS = (0.5, 0.25)
HIDDEN, STEPS, BATCH, LR = 256, 600, 512, 2e-3
# A network is fitted only to so many queries and more: with fewer the linear map is as good.
NETWORK_QUERIES = 2000


def candidate_maps(x: np.ndarray, y: np.ndarray, seed: int = 0) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """Yield names and arrays of query maps that were fitted to pairs of query vectors.

    Args:
        x: float32, ``(n, d_new)``, as the map will get them.
        y: float32, ``(n, d_old)``, of the same queries.
        seed: of the network.
    """
    full = {ridge: fit_linear_map(x, y, ridge) for ridge in RIDGES}
    for ridge, map in full.items():
        yield f"linear, ridge {ridge:g}", _arrays(map)
    start = full[RIDGES[1]]
    for share in RANKS:
        rank = max(1, round(share * min(start.weight.shape)))
        yield f"rank {rank}", _arrays(low_rank(start, x, rank))
    if len(x) >= NETWORK_QUERIES:
        yield f"network of {HIDDEN}", _network(x, y, start, seed)


def _arrays(map: LinearMap) -> dict[str, np.ndarray]:
    return {"weight": map.weight.astype(np.float32), "bias": map.bias.astype(np.float32)}


def _network(x: np.ndarray, y: np.ndarray, start: LinearMap, seed: int) -> dict[str, np.ndarray]:
    """A hidden layer beside the linear map, by Adam on the squared error."""
    generator = torch.Generator().manual_seed(seed)
    inputs, targets = torch.from_numpy(x), torch.from_numpy(y)
    parts = {name: torch.from_numpy(array) for name, array in _arrays(start).items()}
    d_new, d_old = parts["weight"].shape
    parts["hidden"] = torch.randn(d_new, HIDDEN, generator=generator)
    parts["hidden_bias"] = torch.zeros(HIDDEN)
    parts["output"] = torch.zeros(HIDDEN, d_old)
    parts = {name: part.requires_grad_() for name, part in parts.items()}
    optimizer = torch.optim.Adam(parts.values(), lr=LR)
    for step in range(STEPS):
        optimizer.param_groups[0]["lr"] = LR * (1 - step / STEPS)
        rows = torch.randint(len(inputs), (min(BATCH, len(inputs)),), generator=generator)
        hidden = torch.tanh(inputs[rows] @ parts["hidden"] + parts["hidden_bias"])
        found = inputs[rows] @ parts["weight"] + parts["bias"] + hidden @ parts["output"]
        optimizer.zero_grad()
        F.mse_loss(found, targets[rows], reduction="sum").div(len(rows)).backward()
        optimizer.step()
    return {name: part.detach().numpy().copy() for name, part in parts.items()}
