"""The papers' recipes when the float vectors themselves know the labels, as those in the papers do.

In the table of Distill-VQ all methods start from encoders that were trained on the data's labels, so that the exact
ranking, which is Distill-VQ's teacher, is as good as the labels, and its soft scores say more. The encoder of our text
data has never seen a label: there a method that learns from labels knows something that the teacher does not. Here a
matrix for queries is trained first, by cross-entropy of the own item among the batch's on the training queries; test
and training queries are multiplied by it, and every method is built on what comes out. The matrix is one for all
methods and seeds. Queries that a fit holds out to judge itself by are among those it was trained on, the test's not.

    python benchmarks/taught_vectors.py --dataset debian --methods opq,jpq,mopq,distill-vq --bytes 8 --out DIR
"""

from __future__ import annotations

import argparse
import dataclasses
import shlex
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from poeem.bench.problem import Problem
from poeem.bench.problem_sources import problem_from_dataset, problem_from_files
from poeem.bench.run import run_bench

EPOCHS, BATCH, LR, TEMPERATURE = 4, 512, 5e-4, 0.03


def taught(problem: Problem, seed: int = 0) -> Problem:
    """The problem with queries as a matrix that was trained on the labels makes them, of unit length as before."""
    assert problem.train_queries is not None
    assert problem.train_relevant is not None
    # One relevant item a query, as all our text sets have it.
    answers = problem.train_relevant.values[problem.train_relevant.offsets[:-1]]
    matrix = torch.eye(problem.dim, requires_grad=True)
    optimizer = torch.optim.Adam([matrix], lr=LR)
    rng = np.random.default_rng(seed)
    steps = EPOCHS * (len(answers) // BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for step in range(steps):
        if step % (len(answers) // BATCH) == 0:
            order = rng.permutation(len(answers))
        rows = order[(step % (len(answers) // BATCH)) * BATCH :][:BATCH]
        queries = F.normalize(torch.from_numpy(np.asarray(problem.train_queries[rows], np.float32)) @ matrix)
        items = torch.from_numpy(np.asarray(problem.items[answers[rows]], np.float32))
        same = torch.from_numpy(answers[rows][:, None] == answers[rows]).fill_diagonal_(False)
        scores = (queries @ items.T / TEMPERATURE).masked_fill(same, -torch.inf)
        optimizer.zero_grad()
        F.cross_entropy(scores, torch.arange(len(rows))).backward()
        optimizer.step()
        schedule.step()
    W = matrix.detach().numpy()

    def through(queries: np.ndarray) -> np.ndarray:
        found = queries @ W
        return found / np.linalg.norm(found, axis=1, keepdims=True)

    return dataclasses.replace(
        problem,
        name=f"{problem.name}, queries taught by labels",
        queries=through(problem.queries),
        train_queries=through(problem.train_queries),
    )


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--dataset", default="debian")
    arguments.add_argument("--files", type=Path, help="a folder of items, test and train (.npy, .parquet), instead")
    arguments.add_argument("--methods", default="opq,poeem-2021,jpq,repconc,mopq,distill-vq")
    arguments.add_argument("--bytes", default="8")
    arguments.add_argument("--seeds", default="0,1,2")
    arguments.add_argument("--out", type=Path, required=True)
    args = arguments.parse_args()
    if args.files:
        files = args.files
        problem = problem_from_files(
            files / "items.npy",
            files / "test.npy",
            files / "test.parquet",
            train_queries=files / "train.npy",
            train_relevance=files / "train.parquet",
        )
    else:
        problem = problem_from_dataset(args.dataset)
    store = run_bench(
        taught(problem),
        args.methods.split(","),
        args.out,
        sizes=[int(size) for size in args.bytes.split(",")],
        seeds=[int(seed) for seed in args.seeds.split(",")],
        speed=False,
        command=shlex.join(["python", *sys.argv]),
        say=print,
    )
    for record in store.records:
        print(f"{record['method']:12} {record['bytes_per_vector']:5} seed {record['seed']}: {record['recall@100']:.4f}")


if __name__ == "__main__":
    main()
