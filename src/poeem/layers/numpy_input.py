"""Read numpy arrays as tensors."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from torch import Tensor


def from_numpy(array: np.ndarray, device: torch.device | str = "cpu") -> Tensor:
    """Return a numpy array as a tensor on ``device``. It may share the array's memory, so it must not be written to.

    >>> from_numpy(np.array([1.0, 2.0])[::-1])
    tensor([2., 1.], dtype=torch.float64)
    """
    if any(stride < 0 for stride in array.strides):
        array = array.copy()
    with warnings.catch_warnings():
        # Memory-mapped files are read-only, and torch warns of that.
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.as_tensor(array, device=device)
