"""Operations across the processes of a distributed training. With one process they return their input."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor


def world_size() -> int:
    """Return the number of processes."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def is_first() -> bool:
    """Return whether this process has rank 0; it does the work whose result is then sent to all."""
    return world_size() == 1 or dist.get_rank() == 0


def summed(x: Tensor) -> Tensor:
    """Return the sum of a tensor over all processes."""
    if world_size() > 1:
        x = x.clone()
        dist.all_reduce(x)
    return x


def gathered(rows: Tensor) -> Tensor:
    """Return the rows of all processes, in rank order; processes may have different numbers of rows.

    Args:
        rows: ``(n_rank, dim)``, those of this process.
    Returns:
        ``(sum of n_rank, dim)``, the same on every process. With several processes no gradient flows through it.
    """
    if world_size() == 1:
        return rows
    count = torch.tensor([len(rows)], device=rows.device)
    counts = [torch.zeros_like(count) for _ in range(world_size())]
    dist.all_gather(counts, count)
    # all_gather needs equal shapes: pad to the longest, then cut.
    longest = max(int(c) for c in counts)
    padded = torch.zeros(longest, rows.shape[1], dtype=rows.dtype, device=rows.device)
    padded[: len(rows)] = rows
    parts = [torch.empty_like(padded) for _ in counts]
    dist.all_gather(parts, padded)
    return torch.cat([part[: int(c)] for part, c in zip(parts, counts)])


@torch.no_grad()
def broadcast_(tensors: list[Tensor]) -> None:
    """Overwrite tensors, in place, by those of the first process."""
    if world_size() > 1:
        for tensor in tensors:
            dist.broadcast(tensor, 0)
