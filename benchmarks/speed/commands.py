"""Time and memory of whole commands: start, search, `make demo`, and `encode` of a large file.

python -m benchmarks.speed.commands --seed 0 --json benchmarks/results/commands-0.json

Every command is a process of its own. Its time is the shortest of some runs, because other work on the machine only
adds time. The index that is searched holds the 1,682 films of MovieLens-100k, with texts as ids.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.record import Record, parse, picked, script_parser

DIM, SPEC = 64, "OPQ8,PQ8"
MAKEFILE = Path(__file__).parents[2] / "Makefile"
# Linux counts the memory of the parent at its fork as the child's: a small process starts the command and measures it.
MEASURE = """
import os, resource, subprocess, sys, time
started = time.perf_counter()
child = subprocess.Popen(sys.argv[1:], stdout=sys.stderr)
_, status, usage = os.wait4(child.pid, 0)
print(time.perf_counter() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
sys.exit(os.waitstatus_to_exitcode(status) != 0)
"""
VECTORS = """
import sys, numpy as np
file, rows, dim, seed = sys.argv[1], *map(int, sys.argv[2:])
rng = np.random.default_rng(seed)
vectors = np.lib.format.open_memmap(file, "w+", np.float32, (rows, dim))
for first in range(0, rows, 2**15):
    vectors[first:first + 2**15] = rng.standard_normal((min(2**15, rows - first), dim), dtype=np.float32)
"""
INDEX = """
import sys, numpy as np, torch, poeem
file, out, spec, seed = sys.argv[1:]
vectors = torch.tensor(np.load(file, mmap_mode="r")[:10_000])
index = poeem.EmbeddingIndex(vectors.shape[1], spec, metric="ip", seed=int(seed))
index.warm_start(vectors)
index.eval().bundle(np.arange(1000), vectors[:1000], out)
"""


def main() -> None:
    parser = script_parser(__doc__)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000], help="vectors for `poeem encode`")
    parser.add_argument("--skip-demo", action="store_true", help="do not measure `make demo`")
    args = parse(parser)
    record = Record(args, picked(args, "repeats", "rows") | {"dim": DIM, "spec": SPEC})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        starts(record, folder, args.repeats, args.seed)
        for rows in args.rows:
            encode(record, folder, rows, args.seed)
        if not args.skip_demo and "make demo" not in record.rows:
            add(record, "make demo", [measured(["sh", "-ec", demo_commands()], folder)])


def starts(record: Record, folder: Path, repeats: int, seed: int) -> None:
    """Imports, help and searches."""
    poeem = [sys.executable, "-m", "poeem"]
    run, vectors = folder / "run", folder / "q.npy"
    train = [
        "train",
        "--dataset",
        "ml-100k",
        "--index",
        "RQ8x4",
        "--epochs",
        "0.2",
        "--baselines",
        "none",
        "--out",
        run,
    ]
    called([*poeem, *train, "--seed", seed])
    called([sys.executable, "-c", VECTORS, vectors, 10, DIM, seed])
    best = json.loads(called([*poeem, "search", run, "--user", 1, "-k", 1, "--json"]))["results"][0]["id"]
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "import torch": [sys.executable, "-c", "import torch"],
        "import poeem": [sys.executable, "-c", "import poeem"],
        "poeem --help": [*poeem, "--help"],
        "poeem train --help": [*poeem, "train", "--help"],
        "poeem search RUN --user": [*poeem, "search", run, "--user", 1],
        "poeem search RUN --item": [*poeem, "search", run, "--item", best],
        "poeem search BUNDLE --item": [*poeem, "search", run / "bundle", "--item", best],
        "poeem search BUNDLE --queries": [
            *poeem, "search", run / "bundle", "--queries", vectors, "--out", folder / "found.npz"
        ],
    }  # fmt: skip
    found = {name: [] for name in commands if name not in record.rows}
    for _ in range(repeats):
        for name, measures in found.items():
            measures.append(measured(commands[name], folder))
    for name, measures in found.items():
        add(record, name, measures)


def encode(record: Record, folder: Path, rows: int, seed: int) -> None:
    """`poeem encode` of a file of vectors."""
    name = f"poeem encode, {rows:,} x {DIM}"
    if name in record.rows:
        return
    vectors, bundle = folder / "x.npy", folder / f"bundle-{rows}"
    called([sys.executable, "-c", VECTORS, vectors, rows, DIM, seed])
    called([sys.executable, "-c", INDEX, vectors, bundle, SPEC, seed])
    command = [sys.executable, "-m", "poeem", "encode", bundle, "--items", vectors, "--out", folder / f"parts-{rows}"]
    add(record, name, [measured(command, folder)])


def add(record: Record, name: str, measures: list[tuple[float, float, float]]) -> None:
    """A row of the record: the smallest of each figure."""
    wall, cpu, memory = (min(column) for column in zip(*measures, strict=True))
    record.add(name, {"seconds": wall, "cpu_seconds": cpu, "peak_MiB": memory})
    print(f"{name:36} {wall:7.2f} s  {cpu:7.2f} s of the processor  {memory:6.0f} MiB")


def measured(command: list[object], folder: Path) -> tuple[float, float, float]:
    """Run a command once: seconds, seconds of the processor, and the most memory that it held in MiB."""
    words = [sys.executable, "-c", MEASURE, *map(str, command)]
    done = subprocess.run(words, cwd=folder, env=environment(), capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(words[3:])} failed:\n{done.stderr}")
    seconds, cpu, memory = map(float, done.stdout.split())
    return seconds, cpu, memory


def demo_commands() -> str:
    """The commands of `make demo` after the installation, as a shell script."""
    recipe = MAKEFILE.read_text(encoding="utf-8").split("\ndemo:", 1)[1].split("\n\n", 1)[0].splitlines()[1:]
    script = "\n".join(line.removeprefix("\t") for line in recipe)
    return script.replace("$(BIN)/poeem", f"{sys.executable} -m poeem").replace("$$", "$")


def called(command: list[object]) -> str:
    """The output of a command that is not measured."""
    words = list(map(str, command))
    done = subprocess.run(words, env=environment(), capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(words)} failed:\n{done.stderr}")
    return done.stdout


def environment() -> dict[str, str]:
    """The environment of the commands: one thread, as the record says."""
    return os.environ | {"OMP_NUM_THREADS": "1"}


if __name__ == "__main__":
    main()
