"""The papers' recipes on float vectors that already encode the labels, as in the papers.

In the table of Distill-VQ all methods start from encoders that were trained on the labels of the data. The exact
ranking, which is Distill-VQ's teacher, is then as good as the labels, and its soft scores carry more information. The
encoder of our text data was not trained on labels: a method that learns from labels knows more than the teacher. This
script first trains a matrix for queries, by cross-entropy of the own item among the items of the batch, on the training
queries. Test and training queries are multiplied by it, and every method is built on the results. All methods and seeds
share the matrix. The queries that a fit holds out for its own validation are among those that the matrix was trained
on; the test queries are not.

    python -m benchmarks.frozen.taught_queries --seed 0 --json DIR/bench.json

Writes the format of `poeem bench`, and adds to what the folder has.
"""

from __future__ import annotations

import dataclasses
import shlex
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from benchmarks.record import parse, script_parser
from poeem.bench.problem import Problem
from poeem.bench.problem_sources import problem_from_dataset, problem_from_files
from poeem.bench.run import run_bench

EPOCHS, BATCH, LR, TEMPERATURE = 4, 512, 5e-4, 0.03


def taught(problem: Problem, seed: int = 0) -> Problem:
    """The problem with its queries multiplied by a matrix that is trained on the labels, at unit length again."""
    assert problem.train_queries is not None
    assert problem.train_relevant is not None
    # All our text sets have one relevant item per query.
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

    def transformed(queries: np.ndarray) -> np.ndarray:
        product = queries @ W
        return product / np.linalg.norm(product, axis=1, keepdims=True)

    return dataclasses.replace(
        problem,
        name=f"{problem.name}, queries taught by labels",
        queries=transformed(problem.queries),
        train_queries=transformed(problem.train_queries),
    )


def main() -> None:
    parser = script_parser(__doc__)
    parser.add_argument("--dataset", default="debian")
    parser.add_argument("--files", type=Path, help="a folder with items, test and train (.npy, .parquet) instead")
    parser.add_argument("--methods", default="opq,poeem-2021,jpq,repconc,mopq,distill-vq")
    parser.add_argument("--bytes", default="8")
    args = parse(parser)
    if args.json is None or args.json.name != "bench.json":
        parser.error("--json must name a file bench.json; a table bench.csv is written beside it")
    problem = problem_from_folder(args.files) if args.files else problem_from_dataset(args.dataset)
    store = run_bench(
        taught(problem),
        args.methods.split(","),
        args.json.parent,
        sizes=[int(size) for size in args.bytes.split(",")],
        seeds=[args.seed],
        speed=False,
        command=shlex.join(["python", "-m", "benchmarks.frozen.taught_queries", *sys.argv[1:]]),
        log=print,
    )
    for record in store.records:
        print(f"{record['method']:12} {record['bytes_per_vector']:5} seed {record['seed']}: {record['recall@100']:.4f}")


def problem_from_folder(files: Path) -> Problem:
    """Items, test queries and training queries with their relevant items."""
    return problem_from_files(
        files / "items.npy",
        files / "test.npy",
        files / "test.parquet",
        train_queries=files / "train.npy",
        train_relevance=files / "train.parquet",
    )


if __name__ == "__main__":
    main()
