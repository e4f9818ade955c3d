"""Rotations under DistributedDataParallel on two gloo processes: the same bits on both."""

from __future__ import annotations

import gc
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.multiprocessing.spawn import start_processes
from torch.nn.parallel import DistributedDataParallel

from poeem.layers.rotation import ROTATIONS, make_rotation
from tests import forked

SETTINGS: list[dict[str, Any]] = [
    {},
    {"gradient_as_bucket_view": True},
    {"gradient_as_bucket_view": True, "static_graph": True},
]
CASES = [(kind, {}) for kind in ROTATIONS if kind != "frozen"] + [
    ("givens-greedy", setting) for setting in SETTINGS[1:]
]


class Tower(nn.Module):
    def __init__(self, kind: str) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)
        self.rotation = make_rotation(8, kind, seed=0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        R = self.rotation.matrix()
        self.used = R.detach()
        return self.linear(x) @ R


def train(kind: str, setting: dict[str, Any], rank: int) -> torch.Tensor:
    torch.manual_seed(0)
    model = DistributedDataParallel(Tower(kind), **setting)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    generator = torch.Generator().manual_seed(rank)
    found = []
    for step in range(16):
        x = torch.randn(8 + 5 * rank, 8, generator=generator)
        loss = (model(x) * torch.arange(8.0)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        rotation = model.module.rotation
        if rank == 0 and step % 3 == 0:
            # What only one process does between the step and the next forward pass must not part them.
            model.state_dict()
            rotation.eval().matrix()
            rotation.train()
        # What this process has used, before a broadcast from the first could correct it.
        found.append(model.module.used)
    return torch.stack(found)


def run(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    warnings.simplefilter("error")
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    for case, (kind, setting) in enumerate(CASES):
        torch.save(train(kind, setting, rank), f"{folder}/{case}-{rank}.pt")
        # A DDP module alive when the group goes makes the process abort now and then.
        gc.collect()
    dist.barrier()
    dist.destroy_process_group()


@pytest.mark.slow
def test_both_processes_have_the_same_rotation(tmp_path: Path):
    start_processes(run, args=(str(tmp_path),), nprocs=2, start_method=forked.METHOD)
    for case in range(len(CASES)):
        first, second = (torch.load(tmp_path / f"{case}-{rank}.pt") for rank in range(2))
        assert torch.equal(first, second), CASES[case]
        assert (first[-1] - torch.eye(8)).abs().max() > 0.1
    # How the gradient reaches .grad makes no difference.
    reference = CASES.index(("givens-greedy", {}))
    for setting in SETTINGS[1:]:
        case = CASES.index(("givens-greedy", setting))
        assert torch.equal(torch.load(tmp_path / f"{reference}-0.pt"), torch.load(tmp_path / f"{case}-0.pt")), setting
