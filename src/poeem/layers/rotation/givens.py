"""GivensRotation: coordinate descent on the rotation group, a block of disjoint planes at a time."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, Literal, cast, get_args

import torch
from torch import Tensor, nn

from poeem.functional.givens import rotate_pairs, skew_gradient
from poeem.functional.matching import STEEPEST_MAX_DIM, greedy_pairs, random_pairs, steepest_pairs
from poeem.functional.newton_schulz import newton_schulz
from poeem.functional.triangle import pack_upper, unpack_upper, upper_position
from poeem.layers.rotation.rotation import Rotation, largest_magnitude, orthogonal, replace_in_state, widest

Choice = Literal["greedy", "random", "steepest"]

# A product of rotations drifts by about 1e-7 a factor in float32; 32 factors stay far below 1e-5, and the correction
# costs less than a tenth of a step.
FOLDS_BETWEEN_CORRECTIONS = 32
# The number of folds starts again at 0 here: float32 counts no further.
MAX_FOLDS = 2**24


class GivensRotation(Rotation):
    """A rotation that is trained by Givens coordinate descent: each step rotates dim / 2 disjoint planes.

    A buffer holds the matrix ``R``. The parameter holds one angle per plane, zero at every forward pass; its gradient
    is ``A_ij`` of ``A = G^T R - R^T G``, where ``G`` is the gradient of ``R``. The optimizer, whichever it is, writes
    its step into the angles. The next forward pass in training rotates dim / 2 disjoint planes of ``R`` by them and
    sets all angles back to zero (a fold). Gradient descent on the angles thus is Givens coordinate descent, and weight
    decay has no effect.

    The planes are chosen by the gradient, not by the optimizer's step, because Adam's first step is equally large in
    all planes.

    The angles belong to the optimizer only from its step to the next forward pass. So these are not supported:

    - optimizers that evaluate the loss several times a step (LBFGS, SAM): a trial step would be folded into ``R`` and
      could not be taken back;
    - optimizers that write from their own copy of the parameters (master weights of DeepSpeed or apex): they would not
      see the angles go back to zero, and would rotate the same planes again;
    - averages of parameters without buffers: an average of angles has no meaning. ``AveragedModel(use_buffers=True)``
      and means of state dicts average ``R`` itself; the nearest rotation to that mean is used.

    ``cayley`` has none of these limits.

    Args:
        dim: width of the vectors.
        choice: how planes are chosen: ``"greedy"`` by the size of the gradient, ``"random"`` from the seed and the
            number of folds, or ``"steepest"``, the matching with the largest gradients, dim <= 128.
        seed: of the random choice.
    Raises:
        ValueError: an argument is out of its range.
    Source:
        Jiang et al., "Givens Coordinate Descent Methods for Rotation Matrix Learning in Trainable Embedding Indexes",
        ICLR 2022. Angles held at zero, so that any optimizer can be used, are our own.

    >>> rotation = GivensRotation(2)
    >>> optimizer = torch.optim.SGD(rotation.parameters(), lr=0.5)
    >>> (rotation.matrix() * torch.tensor([[0.0, 1.0], [0.0, 0.0]])).sum().backward()
    >>> optimizer.step()
    >>> rotation.matrix().detach()  # the upper right entry, -sin(angle), goes down
    tensor([[ 0.8776, -0.4794],
            [ 0.4794,  0.8776]])
    """

    base: Tensor
    folds: Tensor

    def __init__(self, dim: int, *, choice: Choice = "greedy", seed: int = 0) -> None:
        super().__init__(dim, f"givens-{choice}")
        if choice not in get_args(Choice):
            raise ValueError(f"choice (={choice!r}) must be one of {', '.join(get_args(Choice))}")
        if choice == "steepest" and dim > STEEPEST_MAX_DIM:
            raise ValueError(
                f"dim (={dim}) must be at most {STEEPEST_MAX_DIM} for givens-steepest, which takes O(dim^3) in Python "
                f"at every step; choose givens-greedy, as good in practice"
            )
        if choice == "steepest" and find_spec("networkx") is None:
            raise ValueError("choice (='steepest') needs networkx: pip install networkx, or choose 'greedy'")
        if not isinstance(seed, int) or seed < 0:
            raise ValueError(f"seed (={seed!r}) must be a whole number of 0 or more")
        self.choice = choice
        self.seed = seed
        self.register_buffer("base", torch.eye(dim))
        # A float, so that averages of weights can hold it; wrapped where float32 ends to be exact.
        self.register_buffer("folds", torch.zeros(()))
        self.angles = nn.Parameter(torch.zeros(dim * (dim - 1) // 2))
        self._gradient: Tensor | None = None
        self._known_version = self._version_of_base()

    def _composed(self) -> Tensor:
        folded = self._folded()
        return orthogonal(self.base).clone() if folded is None else orthogonal(folded)

    @torch.no_grad()
    def _apply_step(self) -> None:
        if self._version_of_base() != self._known_version:
            # It was written from outside: by a broadcast, or by an average of weights, which is not orthogonal.
            self.base.copy_(orthogonal(self.base))
        folded = self._folded()
        # Nothing is pending while gradients accumulate, or after an evaluation.
        if folded is not None:
            self.base.copy_(folded)
            self.angles.zero_()
            self.folds.add_(1).remainder_(MAX_FOLDS)
        self._known_version = self._version_of_base()

    def _differentiable(self) -> Tensor:
        return cast(Tensor, _Composed.apply(self.angles, self.base, self._keep_gradient))

    def _reset(self, R: Tensor) -> None:
        self.base.copy_(R)
        self.angles.zero_()
        self.folds.zero_()
        self._gradient = None

    def _version_of_base(self) -> int:
        """How often ``base`` has been written to in place."""
        return -1 if self.base.is_inference() else self.base._version

    def _folded(self) -> Tensor | None:
        """``R`` with the pending angles applied, or None if all of them are zero."""
        largest = largest_magnitude(self.angles)
        if largest == 0:
            return None
        self._check_finite(largest)
        folds = int(self.folds)
        pairs = self._pairs(folds)
        R = rotate_pairs(self.base, pairs, self.angles[upper_position(pairs, self.dim)])
        if (folds + 1) % FOLDS_BETWEEN_CORRECTIONS == 0:
            R = newton_schulz(widest(R)).float()
        return R

    def _pairs(self, folds: int) -> Tensor:
        if self.choice == "random":
            return random_pairs(self.dim, self.seed, folds).to(self.base.device)
        # Zeroed in place (set_to_none=False), or not finite: the step itself is the next best weight.
        usable = self._gradient is not None and 0 < largest_magnitude(self._gradient) < float("inf")
        gradient = self._gradient if usable else self.angles
        weights = unpack_upper(cast(Tensor, gradient).abs())
        return greedy_pairs(weights) if self.choice == "greedy" else steepest_pairs(weights)

    def _keep_gradient(self) -> None:
        """At the end of a backward pass: hold on to the gradient, which ``zero_grad`` will take from the parameter.

        The tensor itself and not a copy: whoever sums it over processes, clips or unscales it does so in place.
        """
        if self.angles.grad is not None:
            self._gradient = self.angles.grad.detach()

    def _load_from_state_dict(self, *args: Any) -> None:
        super()._load_from_state_dict(*args)
        with torch.no_grad():
            # A mean of several state dicts is not orthogonal, and training continues from it.
            self.base.copy_(orthogonal(self.base))

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        with torch.no_grad():
            folded = self._folded()
            if folded is not None:
                angles = torch.zeros_like(self.angles)
                replace_in_state(destination, prefix, base=folded, angles=angles, folds=(self.folds + 1) % MAX_FOLDS)

    def __getstate__(self) -> dict[str, Any]:
        # The gradient may be a view of a bucket of all gradients, which a copy of this module need not carry along.
        gradient = None if self._gradient is None else self._gradient.clone()
        return self.__dict__ | {"_gradient": gradient}


class _Composed(torch.autograd.Function):
    """``R`` as a function of angles that are zero."""

    @staticmethod
    def forward(ctx: Any, angles: Tensor, base: Tensor, after_backward: Callable[[], None]) -> Tensor:
        R = base.clone()  # the next fold changes base in place, and must not change this R
        ctx.save_for_backward(R)
        ctx.after_backward = after_backward
        return R

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, G: Tensor) -> tuple[Tensor, None, None]:
        (R,) = ctx.saved_tensors
        # backward() may be called inside the autocast block.
        with torch.autocast(R.device.type, enabled=False):
            gradient = pack_upper(skew_gradient(R, G))
        _at_the_end_of_backward(ctx.after_backward)
        return gradient, None, None


def _at_the_end_of_backward(callback: Callable[[], None]) -> None:
    """Call back when all gradients are accumulated.

    DDP may exchange ``.grad`` for a view of its bucket after a hook of the parameter has run; such a hook would also be
    lost by deepcopy and pickle.
    """
    torch.autograd.Variable._execution_engine.queue_callback(callback)  # pyright: ignore[reportAttributeAccessIssue]
