"""A step of two processes has the gradient of one process with the same batch."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.multiprocessing.spawn import start_processes
from torch.nn.parallel import DistributedDataParallel

from poeem.layers.embedding_index import EmbeddingIndex
from poeem.towers.two_tower import interaction_towers
from poeem.training.images.model import ImageModel
from poeem.training.model import JointModel
from poeem.training.options.groups import LossOptions
from tests import forked

N, DIM, ROWS = 40, 8, 12
# Where the part of the second process begins. The distortion of images is a mean over each part: equal parts.
CASES = {"unique": 7, "positives": 7, "images": 6}


class Head(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(DIM, DIM)


def model_and_batch(case: str) -> tuple[nn.Module, dict[str, torch.Tensor]]:
    torch.manual_seed(0)
    if case == "images":
        images = torch.randn(ROWS, DIM)
        tower, index = Head(), EmbeddingIndex(DIM, "PQ2x4", metric="cosine", warmup_steps=100)
        index.warm_start(tower.head(torch.randn(N, DIM)))
        return ImageModel(tower, index, views=None, temperature=0.5, share=0.7), {"images": images}
    spec = "IVF4,PQ2x4" if case == "unique" else "OPQ2,PQ2x4"
    loss = LossOptions(
        temperature=0.5, candidates=case, share=0.5, commitment=0.3, distill=0.4, list_loss=0.2 * (case == "unique")
    )
    towers = interaction_towers("history", N, DIM, history_length=4, dropout=0.0)
    index = EmbeddingIndex(DIM, spec, metric="cosine", warmup_steps=100)
    index.warm_start(towers.item(torch.arange(N)))
    model = JointModel(towers, index, log_q=torch.linspace(-5, -1, N), loss=loss)
    # Items that are in both parts, and twice in one.
    positive = torch.tensor([3, 5, 3, 9, 9, 11, 12, 9, 3, 20, 21, 22])
    return model, {"history": torch.randint(0, N, (ROWS, 4)), "positive": positive}


def gradients(model: nn.Module, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    out = model(**batch)
    out.loss.backward()
    return {name.removeprefix("module."): p.grad for name, p in model.named_parameters()} | {"loss": out.loss.detach()}


def run(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    # Before there is a group: the warm start would gather the vectors of both.
    worlds = {case: model_and_batch(case) for case in CASES}
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    for case, (model, batch) in worlds.items():
        part = {name: value.tensor_split([CASES[case]])[rank] for name, value in batch.items()}
        wrapped = DistributedDataParallel(model, broadcast_buffers=False)
        torch.save(gradients(wrapped, part), f"{folder}/{case}-{rank}.pt")
        # A DDP module alive when the group goes makes the process abort now and then.
        del wrapped
        gc.collect()
    dist.barrier()
    dist.destroy_process_group()


@pytest.mark.slow
def test_two_processes_have_the_gradient_of_one(tmp_path: Path):
    start_processes(run, args=(str(tmp_path),), nprocs=2, start_method=forked.METHOD)
    for case in CASES:
        expected = gradients(*model_and_batch(case))
        found = [torch.load(tmp_path / f"{case}-{rank}.pt") for rank in range(2)]
        torch.testing.assert_close(sum(one.pop("loss") for one in found) / 2, expected.pop("loss"))
        for name, gradient in expected.items():
            scale = gradient.abs().max().clamp(min=1e-6)  # some are 0
            for one in found:
                torch.testing.assert_close(one[name] / scale, gradient / scale, rtol=0, atol=1e-4, msg=f"{case} {name}")
