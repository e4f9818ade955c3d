"""Convert codes and lists to the types that bundles store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor


def as_stored(codes: Tensor, lists: Tensor | None) -> tuple[np.ndarray, np.ndarray | None]:
    """Convert the codes and lists of a layer, on any device, to the types that a bundle stores.

    Args:
        codes: integers in ``[0, 256)``, ``(n, M)``.
        lists: integers, ``(n,)``; None for a flat spec.
    Returns:
        codes uint8 ``(n, M)``, and lists int32 ``(n,)`` or None.

    >>> import torch
    >>> as_stored(torch.tensor([[0, 255]]), torch.tensor([70_000]))
    (array([[  0, 255]], dtype=uint8), array([70000], dtype=int32))
    """
    return codes.cpu().numpy().astype(np.uint8), None if lists is None else lists.cpu().numpy().astype(np.int32)
