"""The trained rotation ``y = x @ R`` of an index: orthogonal under any optimizer over ``model.parameters()``.

| kind | how it is trained | costs a step |
|---|---|---|
| ``givens-greedy`` | dim / 2 disjoint planes a step, the steepest first | O(dim^2) and one matrix product |
| ``givens-random`` | dim / 2 disjoint random planes a step; needs many more steps | the same, without the choice |
| ``givens-steepest`` | the exactly heaviest choice of planes; dim <= 128 | O(dim^3) in Python, for study |
| ``cayley`` | all planes, ``(I + A)^-1 (I - A)`` | an O(dim^3) solve, forward and backward |
| ``polar`` | all planes, a free matrix projected to the group | some O(dim^3) matrix products |
| ``frozen`` | not at all | nothing |
"""

from __future__ import annotations

from poeem.layers.rotation.cayley import CayleyRotation
from poeem.layers.rotation.frozen import FrozenRotation
from poeem.layers.rotation.givens import GivensRotation
from poeem.layers.rotation.make import ROTATIONS, make_rotation
from poeem.layers.rotation.polar import PolarRotation
from poeem.layers.rotation.rotation import Rotation

__all__ = [
    "ROTATIONS",
    "CayleyRotation",
    "FrozenRotation",
    "GivensRotation",
    "PolarRotation",
    "Rotation",
    "make_rotation",
]
