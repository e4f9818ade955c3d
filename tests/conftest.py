"""What all tests share."""

from __future__ import annotations

import os

# Small problems: more threads only wait for each other. Set before torch and faiss read it.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import torch

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest) -> torch.device:
    """Every device of this machine: the same cases run on a GPU when there is one."""
    return torch.device(request.param)
