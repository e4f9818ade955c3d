"""Small files under the names that the pages use: events, vectors, labels, and a faiss file."""

from __future__ import annotations

from pathlib import Path

import faiss
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq


def write_inputs(folder: Path) -> None:
    """Write all of them."""
    rng = np.random.default_rng(0)
    write_events(folder / "events.csv", rng, users=300, days=8)
    write_events(folder / "newer.csv", rng, users=300, days=10)
    write_films(folder)
    topics = rng.standard_normal((60, 32))
    items = (topics[rng.integers(0, 60, 600)] + 0.6 * rng.standard_normal((600, 32))).astype(np.float32)
    relevant = rng.integers(0, 600, 400)
    queries = items[relevant] + 0.3 * rng.standard_normal((400, 32)).astype(np.float32)
    np.save(folder / "items.npy", items)
    np.save(folder / "queries.npy", queries)
    np.save(folder / "new.npy", queries[:100] + 0.1)
    pq.write_table(pa.table({"query": np.arange(100), "item": relevant[:100]}), folder / "pairs.parquet")
    np.save(folder / "Q.npy", rng.standard_normal((5, 64)).astype(np.float32))
    served = faiss.index_factory(32, "PQ8x4np", faiss.METRIC_INNER_PRODUCT)
    served.train(items)
    served.add(items)
    faiss.write_index(served, str(folder / "items.faiss"))
    write_pictures(folder / "pictures", rng, count=40)
    write_pictures(folder / "new_pictures", rng, count=1, first=100)


def write_pictures(folder: Path, rng: np.random.Generator, *, count: int, first: int = 0) -> None:
    """Noisy pictures in two class folders, ``count`` in each; nothing without Pillow."""
    try:
        from PIL import Image
    except ImportError:
        return
    for name, colour in (("red", (210, 40, 40)), ("blue", (40, 40, 210))):
        (folder / name).mkdir(parents=True)
        for number in range(first, first + count):
            pixels = np.clip(np.array(colour) + rng.normal(0, 30, (24, 24, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")


def write_events(path: Path, rng: np.random.Generator, *, users: int, days: int) -> None:
    """``user_id;item_id;ts``: 300 items in ten topics, a user stays with one for most of the time."""
    lines = ["user_id;item_id;ts"]
    for user in range(users):
        topic = rng.integers(10)
        for day in range(days):
            one = 30 * (topic if rng.random() < 0.8 else rng.integers(10)) + rng.integers(30)
            lines.append(f"u{user};i{one};{1_700_000_000 + 86_400 * day + user}")
    path.write_text("\n".join(lines) + "\n")


def write_films(folder: Path) -> None:
    """The events as those of MovieLens: users are numbers, items are titles, with year and genres."""
    lines = [line.split(";") for line in (folder / "events.csv").read_text().splitlines()[1:]]
    titles = {"i0": "Toy Story (1995)", "i1": "Babe (1995)"}
    titles = {f"i{number}": titles.get(f"i{number}", f"Film {number} (1970)") for number in range(300)}
    columns = {"user": [int(user[1:]) for user, _, _ in lines], "item": [titles[item] for _, item, _ in lines]}
    pq.write_table(pa.table({**columns, "timestamp": [int(time) for _, _, time in lines]}), folder / "films.parquet")
    facts = {
        "item": list(titles.values()),
        "title": list(titles.values()),
        "year": [1970] * 300,
        "genres": ["Drama"] * 300,
    }
    pq.write_table(pa.table(facts), folder / "titles.parquet")
