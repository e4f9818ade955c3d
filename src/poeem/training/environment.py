"""Versions and hardware of this machine, stored with the figures."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from poeem.layers.collective import world_size


def environment(device: torch.device) -> dict[str, Any]:
    """Describe versions, processor, threads and device as JSON values."""
    return {
        "python": platform.python_version(),
        **{name: _version(name) for name in ("poeem-torch", "torch", "numpy", "faiss-cpu", "accelerate", "pyarrow")},
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "processes": world_size(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
    }


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()
