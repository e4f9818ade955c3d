"""The device of a training, and accelerate's object for device, processes and precision."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from accelerate import Accelerator

DEVICES = ("auto", "cpu", "cuda", "mps")
TRACKERS = ("tensorboard", "wandb")


def check_device(device: str) -> None:
    """Raise ValueError for a device that is unknown or not available.

    >>> check_device("gpu")
    Traceback (most recent call last):
    ...
    ValueError: device (='gpu') must be one of 'auto', 'cpu', 'cuda', 'mps'
    """
    if device not in DEVICES:
        raise ValueError(f"device (={device!r}) must be one of {', '.join(map(repr, DEVICES))}")
    available = {"cuda": torch.cuda.is_available, "mps": torch.backends.mps.is_available}.get(device, lambda: True)()
    if not available:
        raise ValueError(
            f"device (={device!r}) is not available on this machine, or torch was built without it; use 'cpu'"
        )


def torch_device(device: str) -> torch.device:
    """Return the torch device of a name, for work without a training loop. ``auto`` is CUDA if available, else the CPU.

    Raises:
        ValueError: the device is unknown or not available.
    """
    check_device(device)
    if device != "auto":
        return torch.device(device)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def make_accelerator(
    device: str = "auto",
    *,
    mixed_precision: str | None = None,
    log_with: str | None = None,
    log_folder: str | Path | None = None,
) -> Accelerator:
    """Make accelerate's ``Accelerator``. The number of processes comes from ``accelerate launch`` or torchrun.

    Args:
        device: ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
        mixed_precision: ``"no"``, ``"fp16"`` or ``"bf16"``; default that of ``accelerate launch``.
        log_with: ``"tensorboard"`` or ``"wandb"``; default no tracker.
        log_folder: folder of the tracker's files.
    Raises:
        ValueError: an unknown value, or the device or tracker is not available.
    """
    check_device(device)
    if log_with is not None and log_with not in TRACKERS:
        raise ValueError(f"log_with (={log_with!r}) must be one of {', '.join(map(repr, TRACKERS))}")
    from accelerate import Accelerator, DistributedDataParallelKwargs
    from accelerate.utils import is_tensorboard_available, is_wandb_available

    if log_with and not {"tensorboard": is_tensorboard_available, "wandb": is_wandb_available}[log_with]():
        raise ValueError(f"log_with (={log_with!r}) is not installed; run: pip install {log_with}")
    # All processes compute equal buffers; broadcasting them at each forward would only cost time.
    ddp = DistributedDataParallelKwargs(broadcast_buffers=False)
    return Accelerator(
        cpu=device == "cpu",
        mixed_precision=mixed_precision,
        log_with=log_with,
        project_dir=log_folder,
        kwargs_handlers=[ddp],
    )
