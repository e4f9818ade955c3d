"""Distortion: the mean squared error of quantization."""

from __future__ import annotations

from torch import Tensor


def distortion(x: Tensor, x_hat: Tensor) -> Tensor:
    """Compute the mean squared error of quantization, ``mean_i ‖x̂_i - sg(x_i)‖²``, in squared embedding units; ``sg``
    stops the gradient.

    No gradient reaches ``x``. With the arguments exchanged it is a commitment term: then only the vectors get a
    gradient, not their quantized values.

    Args:
        x, x_hat: float, ``(..., dim)``: vectors, and the same vectors quantized.
    Returns:
        float scalar; 0 for no vectors.

    >>> import torch
    >>> distortion(torch.tensor([[0.0, 0.0], [1.0, 1.0]]), torch.tensor([[3.0, 4.0], [1.0, 1.0]]))
    tensor(12.5000)
    """
    return (x_hat - x.detach()).square().sum() / max(1, x[..., 0].numel())
