"""The straight-through estimator, and a variant that also passes the gradient to the index."""

from __future__ import annotations

from torch import Tensor


def straight_through(x: Tensor, x_hat: Tensor) -> Tensor:
    """Return ``x_hat`` with a gradient for ``x`` only: ``x + sg(x̂ - x)``, where ``sg`` stops the gradient.

    The gradient reaches ``x`` unchanged. Codebooks, centroids and rotation get none, so they learn from the distortion
    alone.

    Args:
        x, x_hat: float, of equal shape: vectors and their reconstructions.
    Returns:
        float, of the same shape, equal to ``x_hat``.
    Source:
        Zhang et al., "Joint Learning of Deep Retrieval Model and Product Quantization based Embedding Index", 2021.

    >>> import torch
    >>> x = torch.tensor([0.2], requires_grad=True)
    >>> y = straight_through(x, torch.tensor([1.0]))
    >>> y.backward()
    >>> y.item(), x.grad.item()
    (1.0, 1.0)
    """
    return x + (x_hat - x).detach()


def task_gradient(x: Tensor, x_hat: Tensor) -> Tensor:
    """Return ``x_hat`` with a gradient for ``x`` and for the index: ``x̂ + x - sg(x)``, where ``sg`` stops the
    gradient.

    Codebooks, centroids and rotation thus learn from the retrieval loss too, as in MoPQ and Distill-VQ.

    Args:
        x, x_hat: float, of equal shape: vectors and their reconstructions.
    Returns:
        float, of the same shape, equal to ``x_hat``.

    >>> import torch
    >>> x, codeword = torch.tensor([0.2], requires_grad=True), torch.tensor([1.0], requires_grad=True)
    >>> y = task_gradient(x, codeword)
    >>> y.backward()
    >>> y.item(), x.grad.item(), codeword.grad.item()
    (1.0, 1.0, 1.0)
    """
    return x_hat + (x - x.detach())
