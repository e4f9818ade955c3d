"""The life cycle of a bundle: random changes, compactions and kills, compared with a dict.

A child process adds, replaces, deletes and compacts, and prints a line for every acknowledged change. At random moments
it is killed by SIGKILL. After each kill the bundle is opened and compared with the dict, row by row: every acknowledged
change must be there once, and the change in flight completely or not at all. All codes are compared with a new encoding
of the item's last vector.

    TMPDIR=/dev/shm python -m benchmarks.engines.life_cycle --steps 100000 --json benchmarks/results/life_cycle-0.json

Most of a step is waiting for the disk (`fsync`). A SIGKILL does not need it, so that TMPDIR may be in memory.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

import poeem
from benchmarks.record import Record, parse, picked, script_parser
from poeem.bundle import Bundle, BundleEditor

DIM, SPEC, METRIC = 32, "OPQ8,IVF64,PQ8x4", "cosine"


def vector(seed: int, step: int) -> np.ndarray:
    """The vector of a step, float32 ``(1, dim)``, the same in parent and child."""
    return np.random.default_rng((seed, step)).standard_normal((1, DIM), dtype=np.float32)


def planned(seed: int, step: int, ids: list[int], rows: int, next_id: int) -> tuple[str, int]:
    """The kind of change of a step and its item. Parent and child know the same items and get the same result."""
    rng = np.random.default_rng((seed, step, 1))
    kind = str(rng.choice(["add", "replace", "delete"], p=[0.4, 0.3, 0.3]))
    if kind == "delete" and len(ids) <= rows // 2:
        kind = "add"
    return kind, next_id if kind == "add" else ids[int(rng.integers(len(ids)))]


class Items:
    """Ids in a list with removal in constant time, each with the step that wrote its vector."""

    def __init__(self, ids: list[int]) -> None:
        self.ids, self.step = list(ids), dict.fromkeys(ids, -1)
        self._place = {one: place for place, one in enumerate(self.ids)}

    def apply(self, kind: str, one: int, step: int) -> None:
        if kind == "delete":
            place, last = self._place.pop(one), self.ids.pop()
            if last != one:
                self.ids[place], self._place[last] = last, place
            del self.step[one]
            return
        if kind == "add":
            self._place[one] = len(self.ids)
            self.ids.append(one)
        self.step[one] = step


def live(args: argparse.Namespace) -> None:
    """The child: change the bundle from a step on, and print every acknowledged change."""
    torch.set_num_threads(1)
    folder = Path(args.folder)
    items = Items([])
    for line in (folder / "acknowledged").read_text().splitlines():
        number, kind, one = line.split()
        items.apply(kind, int(one), int(number))
    with BundleEditor(folder / "bundle") as editor:
        print("ready", flush=True)
        for step in range(args.first, args.steps):
            kind, one = planned(args.seed, step, items.ids, args.rows, 10**9 + step)
            if kind == "delete":
                editor.delete([one])
            else:
                getattr(editor, kind)([one], vector(args.seed, step))
            items.apply(kind, one, step)
            print(step, kind, one, flush=True)
            if editor.pending >= args.compact_every:
                editor.compact()


def main() -> None:
    parser = script_parser(__doc__)
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--rows", type=int, default=2_000, help="items at the beginning")
    parser.add_argument("--kills", type=int, default=25)
    parser.add_argument("--compact-every", type=int, default=1_000, help="changes in the log")
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    parser.add_argument("--first", type=int, default=0, help=argparse.SUPPRESS)
    args = parse(parser)
    if args.folder:
        live(args)
        return
    with tempfile.TemporaryDirectory() as folder:
        settings = {"spec": SPEC, **picked(args, "steps", "kills", "compact_every"), "folder": tempfile.gettempdir()}
        record = Record(args, settings)
        record.add("life cycle", run(args, Path(folder)))


def run(args: argparse.Namespace, folder: Path) -> dict[str, object]:
    """The parent: kill, compare, start the child again."""
    first = np.random.default_rng(args.seed).standard_normal((args.rows, DIM), dtype=np.float32)
    layer = poeem.EmbeddingIndex(DIM, SPEC, metric=METRIC, seed=args.seed)
    layer.warm_start(torch.from_numpy(first))
    bundle = layer.eval().bundle(np.arange(args.rows), first, folder / "bundle")
    items, encoder = Items(list(range(args.rows))), poeem.index_from(bundle, exact=True).eval()
    rng = np.random.default_rng((args.seed, 2))
    # A start costs about a second: the child is killed after a number of changes and a random short wait.
    stops = [*np.sort(rng.choice(args.steps, args.kills, replace=False)).tolist(), args.steps]
    step, opened, working, in_flight, differences = 0, [], 0.0, 0, 0
    for stop in stops:
        if step >= args.steps:
            break
        acknowledged = [f"{items.step[one]} add {one}" for one in items.ids]
        (folder / "acknowledged").write_text("\n".join(acknowledged))
        call = [sys.executable, "-m", "benchmarks.engines.life_cycle", "--folder", str(folder), "--first", str(step)]
        for name in ("steps", "seed", "rows", "compact_every"):
            call += [f"--{name.replace('_', '-')}", str(getattr(args, name))]
        child = subprocess.Popen(call, stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n", "the child did not start"
        started = time.perf_counter()
        lines: list[str] = []
        while step + len(lines) < stop and (line := child.stdout.readline()):
            lines.append(line)
        working += time.perf_counter() - started
        if stop < args.steps:
            time.sleep(float(rng.uniform(0, 0.02)))
            child.kill()
        lines += child.stdout.read().splitlines(keepends=True)
        child.wait()
        for line in lines:
            if line.endswith("\n"):
                number, kind, one = line.split()
                assert int(number) == step
                items.apply(kind, int(one), step)
                step += 1
        started = time.perf_counter()
        found = poeem.open(folder / "bundle")
        opened.append(time.perf_counter() - started)
        if step < args.steps:
            # The change in flight: all of it or nothing.
            kind, one = planned(args.seed, step, items.ids, args.rows, 10**9 + step)
            here = _row(found, one)
            if kind == "replace":
                codes, _ = encoder.encode(torch.from_numpy(vector(args.seed, step)))
                before = _codes(encoder, items.step[one], first, one, args.seed)
                happened = here == codes[0].tolist() and here != before
            else:
                happened = (here is not None) == (kind == "add")
            if happened:
                items.apply(kind, one, step)
                step += 1
                in_flight += 1
        differences += compare(found, items, encoder, first, args.seed)
        print(f"step {step:,}: {len(items.ids):,} items, {differences} differences", file=sys.stderr)
    return {
        "rows": {"first": args.rows, "last": len(items.ids)},
        "differences": differences,
        "in_flight_that_happened": in_flight,
        "milliseconds_a_step": 1000 * working / step,
        "open_milliseconds": {"median": 1000 * float(np.median(opened)), "worst": 1000 * max(opened)},
    }


def compare(found: Bundle, items: Items, encoder: poeem.EmbeddingIndex, first: np.ndarray, seed: int) -> int:
    """Number of items that are missing, that should not be there, or whose code or list is not that of their vector."""
    wrong = set(found.ids.tolist()) ^ set(items.ids)
    both = [one for one in items.ids if one not in wrong]
    x = np.concatenate([first[one][None] if items.step[one] < 0 else vector(seed, items.step[one]) for one in both])
    codes, lists = encoder.encode(torch.from_numpy(x))
    rows = found.row_of(both)
    assert found.lists is not None
    assert lists is not None
    differ = (found.codes[rows] != codes.numpy()).any(1) | (found.lists[rows] != lists.numpy())
    return len(wrong) + int(differ.sum()) + (len(found) - len(set(found.ids.tolist())))


def _row(bundle: Bundle, one: int) -> list[int] | None:
    rows = np.flatnonzero(bundle.ids == one)
    return bundle.codes[rows[0]].tolist() if len(rows) else None


def _codes(encoder: poeem.EmbeddingIndex, step: int, first: np.ndarray, one: int, seed: int) -> list[int]:
    x = first[one][None] if step < 0 else vector(seed, step)
    return encoder.encode(torch.from_numpy(x))[0][0].tolist()


if __name__ == "__main__":
    main()
