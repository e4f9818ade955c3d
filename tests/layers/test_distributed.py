"""The index under DistributedDataParallel on two gloo processes: the same bits on both."""

from __future__ import annotations

import gc
import warnings
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.multiprocessing.spawn import start_processes
from torch.nn.parallel import DistributedDataParallel

from poeem.layers.embedding_index import EmbeddingIndex
from tests import forked

STEPS, READY_AFTER = 30, 5
CASES = (("ste", "OPQ4,IVF4,PQ4x4", "ste"), ("task", "OPQ4,IVF4,PQ4x4", "task"), ("additive", "IVF4,RQ3x4", "ste"))


class Tower(nn.Module):
    def __init__(self, spec: str, estimator: str) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)
        # 2 forwards of warm-up, then 24 + 40 rows a step are collected by the two processes together: ready at the 5th.
        self.index = EmbeddingIndex(8, spec, estimator=estimator, warmup_steps=2, buffer_rows=150, reseed_every=6)

    def forward(self, x):
        return self.index(self.linear(x))


def train(spec: str, estimator: str, rank: int) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    model = DistributedDataParallel(Tower(spec, estimator))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02, weight_decay=0.1)
    generator = torch.Generator().manual_seed(rank)
    for step in range(STEPS):
        # Batches differ in size, and the last is empty on one process.
        rows = (24, 40)[rank] if step < STEPS - 1 else (24, 0)[rank]
        x = torch.randn(rows, 8, generator=generator)
        if step == 20:
            with torch.no_grad():  # Dead on both processes: they must agree on what replaces them.
                model.module.index.quantizer.codebooks[:, :5] = 100.0
        out = model(x)
        assert model.module.index.ready == (step + 1 >= READY_AFTER), step
        loss = (out.embedding * torch.arange(8.0)).square().sum() / 64 + out.distortion
        optimizer.zero_grad()
        loss.backward()
        assert all(p.grad is not None for p in model.parameters())
        optimizer.step()
    model.module.index.eval()
    return model.module.state_dict() | {
        name: torch.from_numpy(array) for name, array in model.module.index.arrays().items()
    }


def run(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    warnings.simplefilter("error")
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    for case, spec, estimator in CASES:
        torch.save(train(spec, estimator, rank), f"{folder}/{case}-{rank}.pt")
        # A DDP module alive when the group goes makes the process abort now and then.
        gc.collect()
    # Each process passes its own share, of its own size, to an explicit warm start.
    index = EmbeddingIndex(8, "IVF4,PQ4x4", metric="l2")
    index.warm_start(torch.randn(30 + rank, 8, generator=torch.Generator().manual_seed(rank)))
    torch.save(index.state_dict(), f"{folder}/share-{rank}.pt")
    dist.barrier()
    dist.destroy_process_group()


@pytest.mark.slow
def test_both_processes_have_the_same_index(tmp_path: Path):
    start_processes(run, args=(str(tmp_path),), nprocs=2, start_method=forked.METHOD)
    for case in (*(case for case, _, _ in CASES), "share"):
        first, second = (torch.load(tmp_path / f"{case}-{rank}.pt") for rank in range(2))
        for name in first:
            if name.split(".")[-1] not in (
                "codeword_counts",
                "list_counts",
            ):  # what each process has counted is its own
                assert torch.equal(first[name], second[name]), (case, name)
        books = first["codebooks"] if case != "share" else first["quantizer.codebooks"]
        assert books.abs().max() < 10
    whole = EmbeddingIndex(8, "IVF4,PQ4x4", metric="l2")
    whole.warm_start(
        torch.cat([torch.randn(30 + rank, 8, generator=torch.Generator().manual_seed(rank)) for rank in range(2)])
    )
    assert torch.equal(whole.quantizer.codebooks, first["quantizer.codebooks"])
