"""Rotation: the base class of every kind of rotation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor, nn

from poeem.functional.compile_guard import compile_guard, is_exporting
from poeem.functional.newton_schulz import newton_schulz

# A matrix this close to orthogonal, max|R^T R - I|, needs no correction: rounding to float32 makes about 1e-7.
ORTHOGONAL = 1e-6
# Between two corrections the folds of a Givens rotation drift by up to 3e-6; a larger error comes from averaging.
DRIFT = 5e-6
# How far from orthogonal, max|R^T R - I|, a given matrix may be and still count as a rounded rotation.
SET_TOLERANCE = 1e-3


class Rotation(nn.Module, ABC):
    """An orthogonal matrix ``R``, applied as ``y = x @ R``, with ``max|R^T R - I| <= 1e-5`` at all times.

    In training mode the next :meth:`matrix` applies what the optimizer has written into the parameters. In eval mode,
    in ``state_dict`` and in copies, ``R`` is computed in the same way but the module does not change: a checkpoint, or
    an evaluation on one process, must not change the training.

    A rotation stays in float32 under ``module.half()`` and ``.to(dtype)``, because it would not be orthogonal in 16
    bits. It follows ``.to(device)``.

    Args:
        dim: width of the vectors, 1 or more.
        kind: its name in :func:`make_rotation`.
    Raises:
        ValueError: ``dim`` is not a positive whole number.
    """

    def __init__(self, dim: int, kind: str) -> None:
        if not isinstance(dim, int) or dim < 1:
            raise ValueError(f"dim (={dim!r}) must be a whole number of 1 or more")
        super().__init__()
        self.dim = dim
        self.kind = kind
        self._at_eval: Tensor | None = None  # for an export, which cannot read the values that R is composed of

    @compile_guard
    def matrix(self) -> Tensor:
        """Return ``R``, float32 ``(dim, dim)``, differentiable in training mode. It is a copy, which later steps do not
        change. In an export it is ``R`` of the last ``eval()``.

        Raises:
            RuntimeError: the optimizer has made the parameters infinite or NaN; or an export in training mode.
        """
        if is_exporting():
            if self.training or self._at_eval is None:
                raise RuntimeError(
                    "the index must be in eval mode to be exported: torch.export.export(model.eval(), ...)"
                )
            return self._at_eval
        if not self.training:
            return self.composed()
        self._apply_step()
        return self._differentiable()

    @torch.no_grad()
    def composed(self) -> Tensor:
        """Return ``R`` without a gradient, and leave the module unchanged, in training mode too."""
        return self._composed()

    @torch.no_grad()
    def set_(self, R: Tensor) -> Rotation:
        """Replace the rotation, as a warm start does. A step of the optimizer that was not applied yet is dropped.

        Args:
            R: orthogonal, ``(dim, dim)``; an error up to ``max|R^T R - I| = 1e-3`` is corrected.
        Returns:
            this module.
        Raises:
            ValueError: ``R`` has another shape or is not orthogonal.
        """
        R = torch.as_tensor(R)
        if R.shape != (self.dim, self.dim):
            raise ValueError(f"R (of shape {tuple(R.shape)}) must be (dim, dim) = ({self.dim}, {self.dim})")
        R = R.detach().to("cpu", torch.float64)
        error = orthogonality_error(R)
        if not error <= SET_TOLERANCE:  # not: NaN must not pass
            raise ValueError(
                f"R must be orthogonal, but max|R.T @ R - I| is {error:.2g}; take the polar factor of it "
                f"(U @ V.T of its SVD), or poeem.functional.procrustes of the vectors and their targets"
            )
        self._reset(newton_schulz(R, steps=2))
        self._remember()
        return self

    def train(self, mode: bool = True) -> Rotation:
        super().train(mode)
        self._remember()
        return self

    def _remember(self) -> None:
        """In eval mode, keep ``R`` for an export."""
        self._at_eval = None
        if self.training or any(t.is_meta for t in (*self.parameters(), *self.buffers())):
            return
        with torch.inference_mode(False), torch.no_grad(), suppress(RuntimeError):  # not finite: `matrix` says so
            self._at_eval = self._composed()

    def extra_repr(self) -> str:
        return f"dim={self.dim}, kind={self.kind!r}"

    @abstractmethod
    def _composed(self) -> Tensor:
        """``R`` with the pending step, without a gradient and without a change of the module."""

    @abstractmethod
    def _apply_step(self) -> None:
        """Apply the pending step of the optimizer, in place."""

    @abstractmethod
    def _differentiable(self) -> Tensor:
        """``R`` for training; no step is pending."""

    @abstractmethod
    def _reset(self, R: Tensor) -> None:
        """Become ``R``, float64 on the CPU."""

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Rotation:
        def keep_dtype(tensor: Tensor) -> Tensor:
            moved = fn(tensor)
            return moved if moved.dtype == tensor.dtype else tensor.to(moved.device)

        super()._apply(keep_dtype, recurse)
        if self._at_eval is not None:
            self._at_eval = keep_dtype(self._at_eval)
        return self

    def _load_from_state_dict(self, *args: Any) -> None:
        super()._load_from_state_dict(*args)
        self._remember()

    def _check_finite(self, largest: float) -> None:
        if not largest < float("inf"):
            raise RuntimeError(
                f"the parameters of the {self.kind} rotation are not finite (largest magnitude: {largest}) after the "
                f"optimizer's step; lower the learning rate, clip the gradient, or look for NaN in the loss"
            )


def orthogonality_error(R: Tensor) -> float:
    """Return ``max|R^T R - I|``, computed in float64 where the device has it.

    >>> orthogonality_error(torch.tensor([[1.0, 0.0], [0.0, 0.5]]))
    0.75
    """
    R = widest(R)
    return float((R.T @ R - torch.eye(len(R), dtype=R.dtype, device=R.device)).abs().max())


def widest(tensor: Tensor) -> Tensor:
    """Return a tensor as float64, or as float32 on a device without float64. Autocast and TF32 do not round products in
    float64.
    """
    return tensor if tensor.device.type == "mps" else tensor.double()


def orthogonal(matrix: Tensor) -> Tensor:
    """Return an orthogonal matrix, ``(dim, dim)`` of the same dtype, near ``matrix``.

    It is ``matrix`` itself if that is orthogonal up to float32 rounding, else its polar factor. A mean of rotations
    (weight averaging, model soups) is not a rotation; the polar factor is the nearest one.
    """
    if matrix.is_meta or orthogonality_error(matrix) <= DRIFT:  # a meta tensor has no values
        return matrix
    return polar_factor(widest(matrix)).to(matrix.dtype)


def polar_factor(matrix: Tensor) -> Tensor:
    """Return the nearest orthogonal matrix, ``(dim, dim)``: ``U V^T`` of the SVD ``U S V^T``.

    >>> polar_factor(torch.tensor([[0.0, -2.0], [9.0, 0.0]])) + 0.0
    tensor([[ 0., -1.],
            [ 1.,  0.]])
    """
    near = matrix
    # Newton-Schulz converges quadratically near a rotation, as after a step of an optimizer; far from one it diverges.
    for _ in range(8):
        near = newton_schulz(near)
        if orthogonality_error(near) <= ORTHOGONAL**2:
            return near
    left, _, right = torch.linalg.svd(matrix)
    return left @ right


def largest_magnitude(tensor: Tensor) -> float:
    """Return ``max|tensor|``: NaN if it has a NaN, 0 if it is empty. It waits for the accelerator once.

    >>> largest_magnitude(torch.tensor([1.0, -3.0]))
    3.0
    """
    return float(torch.linalg.vector_norm(tensor, float("inf"))) if tensor.numel() else 0.0


def replace_in_state(destination: dict[str, Any], prefix: str, **values: Tensor) -> None:
    """Replace entries of a module in a ``state_dict``.

    Args:
        destination: the state dict.
        prefix: the module's prefix in it.
        values: new entries by their name in the module.
    """
    for name, value in values.items():
        destination[prefix + name] = value
