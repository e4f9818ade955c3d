"""Several processes: loss and recall of one and of two processes with the same global batch.

`poeem train` is started by torchrun, on the CPU with gloo. `2, then 1` kills two processes at their first checkpoint
and resumes with one.

    python -m benchmarks.interactions.processes --seed 0 --json benchmarks/results/processes-0.json
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.record import Record, parse, picked, script_parser
from poeem.training.history import HISTORY_FILE, read_history

# The loss of a step is that of the first process's part of its batch: the mean over the last tenth of the stored steps.
LAST = 0.1


def main() -> None:
    parser = script_parser(__doc__)
    parser.add_argument("--dataset", default="ml-100k")
    parser.add_argument("--spec", default="OPQ8,PQ8")
    parser.add_argument("--epochs", type=float, default=2)
    args = parse(parser)
    record = Record(args, picked(args, "dataset", "spec", "epochs"))
    words = ["--dataset", args.dataset, "--index", args.spec, "--epochs", str(args.epochs), "--seed", str(args.seed)]
    words += ["--device", "cpu", "--baselines", "none"]
    for name in ("1", "2", "2, then 1"):
        if name in record.rows:
            continue
        with tempfile.TemporaryDirectory() as folder:
            out, killed = Path(folder) / "run", {}
            if name == "2, then 1":
                killed = {"killed after step": kill_at_first_checkpoint(command(2, words, out), out)}
                started(command(1, [*words, "--resume"], out))
            else:
                started(command(int(name), words, out))
            record.add(name, figures(out) | killed)
    for name, row in record.rows.items():
        print(f"{name:10} " + "  ".join(f"{figure} {value:.4f}" for figure, value in row.items()))


def command(processes: int, words: list[str], out: Path) -> list[str]:
    """`poeem train` on so many processes."""
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    return [*launch, "-m", "poeem", "train", *words, "--out", str(out)]


def started(words: list[str]) -> None:
    """Run a command; its output is shown only if it fails."""
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(words)} failed:\n{done.stderr}")


def kill_at_first_checkpoint(words: list[str], out: Path) -> int:
    """Start a command, kill all its processes once there is a checkpoint, and return the step of the last one."""
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not list(out.glob("checkpoints/step-*")):
        if process.poll() is not None:
            sys.exit(f"{' '.join(words)} ended before its first checkpoint")
        time.sleep(0.01)
    # The processes of torchrun are in sessions of their own.
    for pid in [*children(process.pid), process.pid]:
        os.kill(pid, signal.SIGKILL)
    process.wait()
    return max(int(path.name.removeprefix("step-")) for path in out.glob("checkpoints/step-*"))


def children(pid: int) -> list[int]:
    """The processes that a process has started (Linux)."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]


def figures(out: Path) -> dict[str, Any]:
    """Loss at the end, and recall and NDCG of float vectors and index on the test queries."""
    metrics = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    losses = [
        row["training/loss"] for row in read_history(out / "checkpoints" / HISTORY_FILE) if "training/loss" in row
    ]
    last = losses[-max(1, round(LAST * len(losses))) :]
    found = {"loss": statistics.fmean(last)}
    for part, name in (("joint_float", "float"), ("index", "index")):
        found |= {f"{name} {metric}": metrics[part][metric] for metric in ("recall@100", "ndcg@10")}
    return found


if __name__ == "__main__":
    main()
