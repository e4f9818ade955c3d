"""kill -9, Ctrl-C and two processes, with real processes."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file

from tests import forked

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


def words(file: Path, out: Path, *more: str) -> list[str]:
    return ["train", "--interactions", str(file), "--out", str(out), *OPTIONS, *more]


def train(file: Path, out: Path, *more: str, **environment: str) -> ForkServerProcess:
    """A training in a process of its own, which writes what it says to ``out.log``."""
    return forked.poeem(words(file, out, *more), out.with_suffix(".log"), environment)


def finish(process: ForkServerProcess, out: Path, code: int = 0) -> str:
    process.join()
    log = out.with_suffix(".log").read_text()
    assert process.exitcode == code, log
    return log


def wait_for_step(step: int, out: Path) -> None:
    deadline = time.monotonic() + 300
    while not (out / "checkpoints" / f"step-{step}").exists():
        assert time.monotonic() < deadline, out.with_suffix(".log").read_text()
        time.sleep(0.005)


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
        wait_for_step(step, out)
        process.kill()
        finish(process, out, -signal.SIGKILL)
    finish(train(file, out, "--resume"), out)
    assert_same(weights(out), uninterrupted)


def test_ctrl_c_keeps_a_checkpoint_and_says_how_to_go_on(file, tmp_path, uninterrupted):
    out = tmp_path / "run"
    command = [sys.executable, "-m", "poeem", *words(file, out)]
    with out.with_suffix(".log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        wait_for_step(50, out)
        process.send_signal(signal.SIGINT)
    said = out.with_suffix(".log").read_text()
    assert process.returncode == 130, said
    assert "resume it with the same command and --resume" in said
    assert "Traceback" not in said
    finish(train(file, out, "--resume"), out)
    assert_same(weights(out), uninterrupted)


def two_processes(file: Path, out: Path, *more: str) -> list[ForkServerProcess]:
    """With the environment that torchrun and accelerate give to each process. The second one writes ``second.log``."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1]), "WORLD_SIZE": "2"}
    second = out.with_name("second.log")
    return [
        train(file, out, *more, **address, RANK="0", LOCAL_RANK="0"),
        forked.poeem(words(file, out, *more), second, address | {"RANK": "1", "LOCAL_RANK": "1"}),
    ]


def test_two_processes_train_one_model(file, tmp_path):
    out = tmp_path / "run"
    first, second = two_processes(file, out)
    finish(first, out)
    second.join()
    assert second.exitcode == 0, (tmp_path / "second.log").read_text()
    rotation = weights(out)["rotation"].astype(np.float64)
    assert np.abs(rotation.T @ rotation - np.eye(8)).max() < 1e-5
    assert (tmp_path / "second.log").read_text().count("recall@") == 0
    assert json.loads((out / "metrics.json").read_text())["environment"]["processes"] == 2


def test_one_process_resumes_what_two_began(file, tmp_path, uninterrupted):
    out = tmp_path / "run"
    started = two_processes(file, out)
    wait_for_step(100, out)
    for process in started:
        process.kill()
        process.join()
    finish(train(file, out, "--resume"), out)
    # Rounding differs, and with it some codes. The vectors of the items are those of the run of one process.
    found, expected = (one["towers.item.table.ids.weight"].ravel() for one in (weights(out), uninterrupted))
    assert np.corrcoef(found, expected)[0, 1] > 0.98, np.corrcoef(found, expected)
