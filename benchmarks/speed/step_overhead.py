"""Time of a training step with the index, compared with the same step with an identity in its place.

Same tower, same batches, both views of the loss in both cases; the step with the index has all terms of the loss of
`poeem train`. The two steps alternate in one process, so that other load on the machine slows both equally. Ratios are
of medians.

    python -m benchmarks.speed.step_overhead --seed 0 --json benchmarks/results/step_overhead-0.json
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.record import Record, parse, script_parser
from benchmarks.train_model import settings_of
from poeem.data.datasets import load_dataset
from poeem.data.split import Split, leave_last_out
from poeem.layers.embedding_index import EmbeddingIndex, Output
from poeem.towers.two_tower import interaction_towers
from poeem.training.build import build_batches, column_log_q
from poeem.training.model import JointModel
from poeem.training.optimizer import make_optimizer
from poeem.training.options.groups import LossOptions
from poeem.training.seeds import seed_step
from poeem.training.tower_vectors import item_vectors

# The sequence tower reads whole windows: at 1024 of 200 places a step takes a minute on two cores.
HISTORY_LENGTH = {"history": 20, "sequence": 50}
# Terms of the loss without an index.
PLAIN = {"share": 0.5, "commitment": 0.0}


class Identity(nn.Module):
    """In place of the index: unit vectors for both views."""

    def __init__(self, dim: int, metric: str) -> None:
        super().__init__()
        self.dim, self.metric, self.ready = dim, metric, True

    def forward(self, x: Tensor) -> Output:
        return Output(nn.functional.normalize(x), None, None, x.new_zeros(()))


class Step:
    """A training step of the library's loop, and the times of all its calls."""

    def __init__(self, split: Split, tower: str, spec: str | None, args: argparse.Namespace) -> None:
        settings = {
            "tower": tower,
            "batch_size": args.batch_size,
            "history_length": HISTORY_LENGTH[tower],
            "seed": args.seed,
            "candidates": args.candidates,
        }
        self.batches = build_batches(settings, split.train)
        self.seed, self.wall, self.cpu = args.seed, [], []
        index: Any = Identity(args.dim, "cosine")
        if spec is not None:
            index = EmbeddingIndex(args.dim, spec, warmup_steps=10**6, seed=args.seed)
        self.model = JointModel(
            interaction_towers(
                tower, split.n_items, args.dim, history_length=settings["history_length"], seed=args.seed
            ),
            index,
            log_q=torch.from_numpy(column_log_q(settings, split.train, self.batches, split.n_items)),
            loss=LossOptions(candidates=args.candidates, **(PLAIN if spec is None else self._terms(tower, spec))),
        )
        if spec is not None:
            index.warm_start(torch.from_numpy(item_vectors(self.model, np.arange(split.n_items))))
        self.optimizer = make_optimizer(self.model, lr=1e-3)

    @staticmethod
    def _terms(tower: str, spec: str) -> dict[str, float]:
        """The terms of the loss that need an index, as in the recipe."""
        found = settings_of(tower, spec=spec)
        return {name: found[name] for name in ("share", "commitment", "list_loss", "balance")}

    def __call__(self, step: int) -> None:
        wall, cpu = time.perf_counter(), time.process_time()
        seed_step(self.seed, step)
        loss = self.model(**self.batches.batch(step)).loss
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.wall.append(time.perf_counter() - wall)
        self.cpu.append(time.process_time() - cpu)


def measure(split: Split, tower: str, spec: str, steps: int, args: argparse.Namespace) -> dict[str, Any]:
    """Medians and ratios of one tower and spec; the first fifth of the steps warms up and does not count."""
    with_index, with_identity = Step(split, tower, spec, args), Step(split, tower, None, args)
    skipped = max(1, steps // 5)
    for step in range(skipped + steps):
        # The first of the two changes, so that neither always runs after the other.
        for one in (with_index, with_identity) if step % 2 else (with_identity, with_index):
            one(step)
    found: dict[str, Any] = {"tower": tower, "spec": spec, "steps": steps}
    for kind in ("wall", "cpu"):
        index, identity = (statistics.median(getattr(one, kind)[skipped:]) for one in (with_index, with_identity))
        found[f"{kind}_ms_index"], found[f"{kind}_ms_identity"] = index * 1e3, identity * 1e3
        found[f"{kind}_ratio"] = index / identity
    return found


def main() -> None:
    parser = script_parser(__doc__)
    parser.add_argument("--dataset", default="ml-1m")
    parser.add_argument("--spec", default="OPQ8,IVF64,PQ8")
    parser.add_argument("--towers", default="history,sequence")
    parser.add_argument("--batch-size", type=int, default=1024)
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--candidates", default="unique")
    parser.add_argument("--steps", type=int, default=200, help="of the history tower; the sequence tower does 1/40")
    args = parse(parser)
    record = Record(args, {})
    split = leave_last_out(load_dataset(args.dataset))
    for tower in args.towers.split(","):
        steps = args.steps if tower == "history" else max(3, args.steps // 40)
        found = measure(split, tower, args.spec, steps, args)
        record.add(tower, found)
        print(
            f"{tower:9s} {args.spec}: {found['wall_ms_index']:8.1f} ms with the index, "
            f"{found['wall_ms_identity']:8.1f} ms with an identity: ratio {found['wall_ratio']:.3f} "
            f"(processor time: {found['cpu_ratio']:.3f})",
            flush=True,
        )


if __name__ == "__main__":
    main()
