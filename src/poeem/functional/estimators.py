"""Gradient estimators of the hard assignment, by name.

| name | gradient to the vector | gradient to codebooks, centroids, rotation |
|---|---|---|
| ``ste`` | unchanged | none, they learn from the distortion |
| ``task`` | unchanged | unchanged |
| ``rotation-trick`` | rotated and scaled back from the reconstruction to the vector | none |
| ``soft`` (PQ only) | through a softmax over distances to codewords | through it, and to codewords by their shares |

The value is always the hard reconstruction, which the engine will score. ``soft`` needs the distances to all codewords:
see :mod:`poeem.functional.soft_assignment`.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from poeem.functional.rotation_trick import rotation_trick
from poeem.functional.straight_through import straight_through, task_gradient

# Each takes x and x_hat and has the value of x_hat.
ESTIMATORS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "ste": straight_through,
    "task": task_gradient,
    "rotation-trick": rotation_trick,
}
