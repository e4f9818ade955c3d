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
        rows: ``(n_rank, ...)``, those of this process.
    Returns:
        ``(sum of n_rank, ...)``, the same on every process. With several processes no gradient flows through it.
    """
    return rows if world_size() == 1 else torch.cat(_parts(rows))


def gathered_with_gradient(rows: Tensor) -> Tensor:
    """Return the rows of all processes, as :func:`gathered` does, with gradients.

    The gradient of a row is the sum of the gradients that all processes have for it. DistributedDataParallel divides
    sums over processes by their number, so a loss that each process computes from its own queries and all rows has the
    gradient of their mean. All processes must run the backward pass.

    Args:
        rows: float, ``(n_rank, ...)``, those of this process.
    Returns:
        ``(sum of n_rank, ...)``, the same on every process.
    """
    return rows if world_size() == 1 else _Gather.apply(rows, _backward_group())


class _Gather(torch.autograd.Function):
    """torch's own ``torch.distributed.nn.functional.all_gather`` is deprecated, and needs rows of equal number."""

    @staticmethod
    def forward(ctx, rows: Tensor, group: dist.ProcessGroup) -> Tensor:
        parts = _parts(rows)
        ctx.group, ctx.first, ctx.count = group, sum(map(len, parts[: dist.get_rank()])), len(rows)
        return torch.cat(parts)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:
        grad = grad.clone()  # contiguous, and ours: autograd may use the incoming one elsewhere
        dist.all_reduce(grad, group=ctx.group)
        return grad[ctx.first : ctx.first + ctx.count], None


def _parts(rows: Tensor) -> list[Tensor]:
    count = torch.tensor([len(rows)], device=rows.device)
    counts = [torch.zeros_like(count) for _ in range(world_size())]
    dist.all_gather(counts, count)
    # all_gather needs equal shapes: pad to the longest, then cut.
    longest = max(int(c) for c in counts)
    padded = rows.new_zeros(longest, *rows.shape[1:])
    padded[: len(rows)] = rows
    parts = [torch.empty_like(padded) for _ in counts]
    dist.all_gather(parts, padded)
    return [part[: int(c)] for part, c in zip(parts, counts)]


# The default group, and the group of its backward passes.
_groups: list[dist.ProcessGroup | None] = []


def _backward_group() -> dist.ProcessGroup:
    """A group of its own: in a backward pass the collectives of DistributedDataParallel run at the same time."""
    if not _groups or _groups[0] is not dist.group.WORLD:
        _groups[:] = [dist.group.WORLD, dist.new_group()]
    return _groups[1]


@torch.no_grad()
def broadcast_(tensors: list[Tensor]) -> None:
    """Overwrite tensors, in place, by those of the first process."""
    if world_size() > 1:
        for tensor in tensors:
            dist.broadcast(tensor, 0)
