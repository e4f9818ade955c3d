"""A rotation by its name."""

from __future__ import annotations

from collections.abc import Callable

from poeem.layers.rotation.cayley import CayleyRotation
from poeem.layers.rotation.frozen import FrozenRotation
from poeem.layers.rotation.givens import GivensRotation
from poeem.layers.rotation.polar import PolarRotation
from poeem.layers.rotation.rotation import Rotation

ROTATIONS: dict[str, Callable[[int, int], Rotation]] = {
    "givens-greedy": lambda dim, seed: GivensRotation(dim, choice="greedy"),
    "givens-random": lambda dim, seed: GivensRotation(dim, choice="random", seed=seed),
    "givens-steepest": lambda dim, seed: GivensRotation(dim, choice="steepest"),
    "cayley": lambda dim, seed: CayleyRotation(dim),
    "polar": lambda dim, seed: PolarRotation(dim),
    "frozen": lambda dim, seed: FrozenRotation(dim),
}


def make_rotation(dim: int, kind: str = "givens-greedy", seed: int = 0) -> Rotation:
    """Make a rotation by the name of its kind. It starts at the identity.

    Args:
        dim: width of the vectors.
        kind: a key of :data:`ROTATIONS`; :mod:`poeem.layers.rotation` compares them.
        seed: of the random choice of planes; the other kinds do not use it.
    Raises:
        ValueError: the kind is unknown, or another argument is out of range.

    >>> make_rotation(2).matrix()
    tensor([[1., 0.],
            [0., 1.]], grad_fn=<_ComposedBackward>)
    """
    if kind not in ROTATIONS:
        raise ValueError(f"rotation (={kind!r}) must be one of {', '.join(ROTATIONS)}")
    return ROTATIONS[kind](dim, seed)
