"""What all tests share."""

from __future__ import annotations

import os
from collections.abc import Iterator

# Small problems: more threads only wait for each other. Set before torch and faiss read it.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import torch

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests first, so that no worker gets one when the others have finished."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session", autouse=True)
def no_waiting_for_the_disk() -> Iterator[None]:
    """``os.fsync`` does nothing in this process; commands in processes of their own do wait."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(scope="session", autouse=True)
def short_measurements_of_speed() -> Iterator[None]:
    """A speed is measured for 20 ms, not for a second."""
    from poeem.bench.speed import queries_per_second

    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(queries_per_second.__kwdefaults__, "seconds", 0.02)
        yield


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest) -> torch.device:
    """Every device of this machine: the same cases run on a GPU when there is one."""
    return torch.device(request.param)
