"""The towers of product search once more, in numpy and float64, row by row."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn


def numbers(module: nn.Module) -> dict[str, np.ndarray]:
    return {name: value.detach().numpy().astype(np.float64) for name, value in module.state_dict().items()}


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max())
    return e / e.sum()


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def mean_embedding(weight: np.ndarray, tokens: np.ndarray) -> np.ndarray:
    """One row of tokens."""
    known = tokens[tokens >= 0]
    return weight[known + 1].mean(0) if len(known) else np.zeros(weight.shape[1])


def query_attention(
    scale: float, query: np.ndarray, behaviours: np.ndarray, values: np.ndarray | None = None
) -> np.ndarray:
    """``(G, d)`` and the filled rows ``(L, d)``."""
    rows = np.vstack([np.zeros(query.shape[1]), behaviours])
    summed = rows if values is None else np.vstack([np.zeros(query.shape[1]), values])
    return np.stack([softmax(scale * rows @ q) @ summed for q in query])


def self_attention(weights: dict[str, np.ndarray], x: np.ndarray, heads: int) -> np.ndarray:
    """The filled rows ``(L, d)``."""
    d = x.shape[1]
    q, k, v = np.split(x @ weights["qkv.weight"].T + weights["qkv.bias"], 3, axis=1)
    result = np.empty_like(x)
    for i in range(len(x)):
        parts = []
        for h in range(heads):
            part = slice(h * d // heads, (h + 1) * d // heads)
            parts.append(softmax(k[:, part] @ q[i, part] / np.sqrt(d // heads)) @ v[:, part])
        result[i] = np.concatenate(parts)
    return x + result @ weights["out.weight"].T + weights["out.bias"]


def lstm(weights: dict[str, np.ndarray], x: np.ndarray, layers: int) -> np.ndarray:
    """``(L, d)``, gates in torch's order: input, forget, cell, output."""
    d = x.shape[1]
    for layer in range(layers):
        h, c, out = np.zeros(d), np.zeros(d), []
        for row in x:
            gates = (
                row @ weights[f"weight_ih_l{layer}"].T
                + weights[f"bias_ih_l{layer}"]
                + h @ weights[f"weight_hh_l{layer}"].T
                + weights[f"bias_hh_l{layer}"]
            )
            i, f, g, o = np.split(gates, 4)
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(c)
            out.append(h)
        x = np.stack(out)
    return x


def below(weights: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix + "."): value for name, value in weights.items() if name.startswith(prefix + ".")}


def randomise(module: nn.Module, seed: int = 0) -> None:
    """Every parameter random: at their start many are zero or the identity, where an oracle sees nothing."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(0.5 * torch.randn(parameter.shape, generator=generator))
        for part in module.modules():
            if isinstance(part, nn.Embedding) and part.padding_idx is not None:
                part.weight[part.padding_idx].zero_()
