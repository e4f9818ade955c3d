"""kill -9, Ctrl-C and two processes, with real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(os.name == "nt", reason="signals are others there"),
]
OPTIONS = ["--index", "OPQ2,IVF4,PQ2x4", "--dim", "8", "--steps", "300", "--batch-size", "64", "--lr", "0.01"]
OPTIONS += ["--device", "cpu", "--baselines", "none"]


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    rng = np.random.default_rng(0)
    rows = [(user, item * 8 + user % 8) for user in range(120) for item in rng.choice(10, 8, replace=False)]
    users, items = zip(*rows)
    path = tmp_path_factory.mktemp("data") / "events.parquet"
    pq.write_table(pa.table({"user": users, "item": items}), path)
    return path


def train(file: Path, out: Path, *more: str, program: tuple[str, ...] = ("-m", "poeem")) -> subprocess.Popen:
    """A training as a process of its own, which writes what it says to ``out.log``."""
    command = [sys.executable, *program, "train", "--interactions", str(file), "--out", str(out), *OPTIONS, *more]
    with out.with_suffix(".log").open("w") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | {"OMP_NUM_THREADS": "1"})


def finish(process: subprocess.Popen, out: Path, code: int = 0) -> str:
    process.wait()
    said = out.with_suffix(".log").read_text()
    assert process.returncode == code, said
    return said


def kill_after(step: int, process: subprocess.Popen, out: Path, number: signal.Signals) -> None:
    while not (out / "checkpoints" / f"step-{step}").exists():
        assert process.poll() is None, out.with_suffix(".log").read_text()
        time.sleep(0.005)
    process.send_signal(number)


def weights(out: Path) -> dict[str, np.ndarray]:
    return load_file(out / "model" / "weights.safetensors") | load_file(out / "bundle" / "arrays.safetensors")


def assert_same(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> None:
    for name, value in a.items():
        np.testing.assert_array_equal(value, b[name], err_msg=name)


@pytest.fixture(scope="module")
def uninterrupted(file, tmp_path_factory) -> dict[str, np.ndarray]:
    out = tmp_path_factory.mktemp("whole") / "run"
    finish(train(file, out), out)
    return weights(out)


def test_killed_runs_resume_to_the_same_bits(file, tmp_path, uninterrupted):
    out = tmp_path / "run"
    for step in (50, 200):
        process = train(file, out, *(["--resume"] if step > 50 else []))
        kill_after(step, process, out, signal.SIGKILL)
        finish(process, out, -signal.SIGKILL)
    finish(train(file, out, "--resume"), out)
    assert_same(weights(out), uninterrupted)


def test_ctrl_c_keeps_a_checkpoint_and_says_how_to_go_on(file, tmp_path, uninterrupted):
    out = tmp_path / "run"
    process = train(file, out)
    kill_after(50, process, out, signal.SIGINT)
    said = finish(process, out, 130)
    assert "resume it with the same command and --resume" in said
    assert "Traceback" not in said
    finish(train(file, out, "--resume"), out)
    assert_same(weights(out), uninterrupted)


def test_two_processes_train_one_model(file, tmp_path):
    out = tmp_path / "run"
    program = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "poeem")
    finish(train(file, out, program=program), out)
    rotation = weights(out)["rotation"].astype(np.float64)
    assert np.abs(rotation.T @ rotation - np.eye(8)).max() < 1e-5
    assert (out / "metrics.json").is_file()
