"""How a gradient passes the hard assignment, by name.

| name | gradient to the vector | gradient to codebooks, centroids, rotation |
|---|---|---|
| ``ste`` | as it arrives | none, they learn from the distortion |
| ``task`` | as it arrives | as it arrives |
| ``rotation-trick`` | turned and scaled back by what takes the vector to its reconstruction | none |
| ``soft`` | through the softmax over the words' distances | through it, and to the words by their shares; PQ only |

The value is that of the hard reconstruction under all of them: what the engine will score.
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
