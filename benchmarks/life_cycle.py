"""The life of a bundle: random changes, compactions and kills, held against a dict.

A child process adds, replaces, deletes and compacts, and writes a line for every change that has been acknowledged; at
random moments it is killed by SIGKILL. After each death the bundle is opened and compared with the dict, row for row:
whatever was acknowledged must be there once, and of the change in flight all or nothing. At the end every code is
compared with a fresh encoding of the item's last vector.

    TMPDIR=/dev/shm python benchmarks/life_cycle.py --steps 100000 --json benchmarks/results/life_cycle-0.json

Most of a step is the wait for the disk (`fsync`); a SIGKILL does not ask for it, so that TMPDIR may be in memory.
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
from poeem.bundle import Bundle, BundleEditor
from poeem.layers.from_arrays import encoder_of
from record import parser, settled, write

DIM, SPEC, METRIC = 32, "OPQ8,IVF64,PQ8x4", "cosine"


def vector(seed: int, step: int) -> np.ndarray:
    """The vector that a step brings, float32 ``(1, dim)``: parent and child draw the same."""
    return np.random.default_rng((seed, step)).standard_normal((1, DIM), dtype=np.float32)


def planned(seed: int, step: int, ids: list[int], rows: int, next_id: int) -> tuple[str, int]:
    """What a step does and to which item; the same for parent and child, which know the same items."""
    rng = np.random.default_rng((seed, step, 1))
    kind = str(rng.choice(["add", "replace", "delete"], p=[0.4, 0.3, 0.3]))
    if kind == "delete" and len(ids) <= rows // 2:
        kind = "add"
    return kind, next_id if kind == "add" else ids[int(rng.integers(len(ids)))]


class Items:
    """Ids in a list from which any can be taken in constant time, each with the step that brought its vector."""

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
    """The child: change the bundle from a step on, and say what has been acknowledged."""
    torch.set_num_threads(1)
    folder = Path(args.folder)
    items = Items([])
    for line in (folder / "said").read_text().splitlines():
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
    arguments = parser(__doc__)
    arguments.add_argument("--steps", type=int, default=100_000)
    arguments.add_argument("--rows", type=int, default=2_000, help="items at the beginning")
    arguments.add_argument("--kills", type=int, default=25)
    arguments.add_argument("--compact-every", type=int, default=1_000, help="changes in the log")
    arguments.add_argument("--folder", help=argparse.SUPPRESS)
    arguments.add_argument("--first", type=int, default=0, help=argparse.SUPPRESS)
    args = settled(arguments.parse_args())
    if args.folder:
        live(args)
        return
    with tempfile.TemporaryDirectory() as folder:
        write(args, run(args, Path(folder)))


def run(args: argparse.Namespace, folder: Path) -> dict[str, object]:
    """The parent: kill, compare, start again."""
    first = np.random.default_rng(args.seed).standard_normal((args.rows, DIM), dtype=np.float32)
    layer = poeem.EmbeddingIndex(DIM, SPEC, metric=METRIC, seed=args.seed)
    layer.warm_start(torch.from_numpy(first))
    bundle = layer.eval().bundle(np.arange(args.rows), first, folder / "bundle")
    items, encoder = Items(list(range(args.rows))), encoder_of(bundle)
    rng = np.random.default_rng((args.seed, 2))
    # A start costs a second or so: kills come by the number of changes that were seen, then by a moment more.
    stops = [*np.sort(rng.choice(args.steps, args.kills, replace=False)).tolist(), args.steps]
    step, opened, working, in_flight, differences = 0, [], 0.0, 0, 0
    for stop in stops:
        if step >= args.steps:
            break
        said = [f"{items.step[one]} add {one}" for one in items.ids]
        (folder / "said").write_text("\n".join(said))
        words = [sys.executable, __file__, "--folder", str(folder), "--first", str(step)]
        for name in ("steps", "seed", "rows", "compact_every"):
            words += [f"--{name.replace('_', '-')}", str(getattr(args, name))]
        child = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n", "the child did not start"
        began = time.perf_counter()
        lines: list[str] = []
        while step + len(lines) < stop and (line := child.stdout.readline()):
            lines.append(line)
        working += time.perf_counter() - began
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
        began = time.perf_counter()
        found = poeem.open(folder / "bundle")
        opened.append(time.perf_counter() - began)
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
        "steps": step,
        "kills": args.kills,
        "compact_every": args.compact_every,
        "rows": {"first": args.rows, "last": len(items.ids)},
        "spec": SPEC,
        "folder": tempfile.gettempdir(),
        "differences": differences,
        "in_flight_that_happened": in_flight,
        "milliseconds_a_step": 1000 * working / step,
        "open_milliseconds": {"median": 1000 * float(np.median(opened)), "worst": 1000 * max(opened)},
    }


def compare(found: Bundle, items: Items, encoder: poeem.EmbeddingIndex, first: np.ndarray, seed: int) -> int:
    """Items that are there without reason, missing, or with another code or list than their last vector's."""
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
