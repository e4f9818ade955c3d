"""The original's own tutorial: numbers as queries and items, and the precision@100 that an index loses.

10,000 query ids, 10,000 item ids, 1,000,000 pairs of a random query and a random item. An item's digits are abcd; the
query keeps its own two leading digits, and its last two are drawn without replacement from the item's four. Both sides
are id embeddings of width 64, trained by the in-batch softmax of 30 x cosine, batch 128, 3 epochs, Adagrad 0.1 (initial
accumulator 0.1).

A retrieved item is right if at least two of its four digits equal one or the other of the query's last two; the strict
share counts only items from which the query can be drawn. Published (Zhang et al. 2021, the released notebook):
exact 0.9989, faiss IVF8,PQ8 at nprobe 1 0.9610, Poeem 0.9805.

    python -m benchmarks.papers.tutorial --seed 0 --json benchmarks/results/tutorial-0.json
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import faiss
import numpy as np
import torch
from torch import Tensor, nn

import poeem
from benchmarks.record import Record, parse, picked, progress, script_parser
from poeem.losses.retrieval_softmax import retrieval_softmax
from poeem.losses.two_views import two_views

DIM, BATCH, EPOCHS, IDS, SCALE, LISTS = 64, 128, 3, 10_000, 30.0, 8
WARM_START = 0.4  # of the steps


def draw_pairs(seed: int, pairs: int) -> tuple[np.ndarray, np.ndarray]:
    """Queries and items, ``(pairs,)`` each."""
    rng = np.random.default_rng(seed)
    items = rng.integers(0, IDS, pairs)
    digits = digits_of(items)
    first = rng.integers(0, 4, pairs)
    second = (first + rng.integers(1, 4, pairs)) % 4  # another place than the first
    rows = np.arange(pairs)
    return rng.integers(0, 100, pairs) * 100 + digits[rows, first] * 10 + digits[rows, second], items


def digits_of(numbers: np.ndarray) -> np.ndarray:
    """``(n,)`` to ``(n, 4)``, leading zeros included."""
    return numbers[:, None] // np.array([1000, 100, 10, 1]) % 10


def precision(found: np.ndarray) -> tuple[float, float]:
    """The tutorial's and the strict precision of the items found for every query, ``(IDS, k)``."""
    queries = np.arange(IDS)
    last = digits_of(queries)[:, 2:]
    items = digits_of(found.ravel()).reshape(*found.shape, 4)
    right = ((items == last[:, None, :1]) | (items == last[:, None, 1:])).sum(-1) >= 2
    # Sampled without replacement: both digits occur, and an equal pair needs two positions.
    counts = [(items == last[:, None, i, None]).sum(-1) for i in (0, 1)]
    equal = (last[:, 0] == last[:, 1])[:, None]
    possible = np.where(equal, counts[0] >= 2, (counts[0] >= 1) & (counts[1] >= 1))
    reached = found >= 0
    return float((right & reached).mean()), float((possible & reached).mean())


class Tower(nn.Module):
    """One embedding per id."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(IDS, DIM, sparse=True)
        nn.init.normal_(self.table.weight, std=DIM**-0.5)  # std 1 does not learn at this rate

    def forward(self, ids: Tensor) -> Tensor:
        return self.table(ids)


def train(seed: int, pairs: int, index: poeem.EmbeddingIndex | None) -> tuple[np.ndarray, np.ndarray, float]:
    """Queries and items ``(IDS, DIM)``, both of unit length, and seconds."""
    torch.manual_seed(seed)
    query_tower, item_tower = Tower(), Tower()
    queries, items = (torch.from_numpy(ids) for ids in draw_pairs(seed, pairs))
    parameters = [*query_tower.parameters(), *item_tower.parameters(), *(index.parameters() if index else ())]
    optimizer = torch.optim.Adagrad(parameters, lr=0.1, initial_accumulator_value=0.1)
    order = torch.Generator().manual_seed(seed)
    batches = [batch for _ in range(EPOCHS) for batch in torch.randperm(pairs, generator=order).split(BATCH)]
    started = time.perf_counter()
    for step, batch in enumerate(progress(batches, f"seed {seed}, {'joint' if index else 'float'}")):
        if index and step == int(WARM_START * len(batches)):
            index.warm_start(item_tower.table.weight)
        q = query_tower(queries[batch])
        x = nn.functional.normalize(item_tower(items[batch]))
        # Adagrad with an accumulator is not free of scale: losses are summed over the batch, as the original does.
        if index and index.ready:
            out = index(x)
            loss = 2 * two_views(q, x, out.embedding, temperature=1 / SCALE, item_ids=items[batch]) + out.distortion
        else:
            loss = retrieval_softmax(q, x, temperature=1 / SCALE, item_ids=items[batch])
        optimizer.zero_grad()
        (BATCH * loss).backward()
        optimizer.step()
    seconds = time.perf_counter() - started
    with torch.no_grad():
        q, x = (nn.functional.normalize(tower.table.weight).numpy() for tower in (query_tower, item_tower))
    return q, x, seconds


def post_hoc(name: str, q: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Items that a post-hoc index of faiss finds at nprobe 1."""
    index = faiss.index_factory(DIM, name, faiss.METRIC_INNER_PRODUCT)
    index.train(x)
    index.add(x)
    faiss.extract_index_ivf(index).nprobe = 1
    return index.search(q, 100)[1]


def main() -> None:
    parser = script_parser(__doc__)
    parser.add_argument("--specs", nargs="+", default=["IVF8,PQ8", "OPQ8,IVF8,PQ8"])
    parser.add_argument("--pairs", type=int, default=1_000_000)
    args = parse(parser)
    record = Record(args, picked(args, "pairs"))

    def add(name: str, found: np.ndarray, seconds: float) -> None:
        usual, strict = precision(found)
        record.add(name, {"precision@100": usual, "strict_precision@100": strict, "train_seconds": seconds})
        print(f"{name:32} P@100 {usual:.4f}   strict {strict:.4f}")

    q, x, seconds = train(args.seed, args.pairs, None)
    add("exact", np.argpartition(-(q @ x.T), 100, axis=1)[:, :100], seconds)
    for name in ("IVF8,PQ8np", "OPQ8,IVF8,PQ8np"):
        add(f"faiss {name}, nprobe 1", post_hoc(name, q, x), seconds)
    for spec in args.specs:
        index = poeem.EmbeddingIndex(DIM, spec, metric="cosine", seed=args.seed)
        q, x, seconds = train(args.seed, args.pairs, index)
        with tempfile.TemporaryDirectory() as folder:
            bundle = index.eval().bundle(np.arange(IDS), x, Path(folder) / "bundle")
            poeem.export(bundle, "faiss", Path(folder) / "items.faiss")
            stock = faiss.read_index(str(Path(folder) / "items.faiss"))
        for nprobe in (1, LISTS):
            faiss.extract_index_ivf(stock).nprobe = nprobe
            add(f"poeem {spec}, nprobe {nprobe}", stock.search(q, 100)[1], seconds)


if __name__ == "__main__":
    main()
