"""Kinds of rotation, training steps, and the distance from orthogonality."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from poeem.layers.rotation import ROTATIONS, Rotation

KINDS = sorted(ROTATIONS)


TRAINED = [kind for kind in KINDS if kind != "frozen"]


def error(R: Tensor) -> float:
    R64 = R.detach().double().numpy()
    return float(np.abs(R64.T @ R64 - np.eye(len(R64))).max())


def random_rotation(dim: int, seed: int = 0) -> Tensor:
    Q = np.linalg.qr(np.random.default_rng(seed).normal(size=(dim, dim)))[0]
    Q[:, 0] *= np.sign(np.linalg.det(Q))
    return torch.from_numpy(Q).float()


def noisy_steps(rotation: Rotation, optimizer: torch.optim.Optimizer, steps: int, first: int = 0) -> None:
    """Steps on a loss that moves all the time, so that the rotation never comes to rest."""
    generator = torch.Generator().manual_seed(first)
    for G in torch.randn(steps, rotation.dim, rotation.dim, generator=generator):
        optimizer.zero_grad()
        rotation.matrix().backward(G)
        optimizer.step()
