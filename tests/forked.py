"""Processes that start at once: forks of a server that has imported torch and poeem once."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

# The imports of a training take 6 seconds of the processor. `torch._dynamo` is imported by every optimizer.
IMPORTED = ["torch._dynamo", "accelerate", "poeem.bundle", "poeem.cli.main", "poeem.training.recipes.interactions"]
METHOD = "forkserver"
FORKS = multiprocessing.get_context(METHOD)
FORKS.set_forkserver_preload(IMPORTED)


def start(function: Callable[..., Any], *args: Any) -> ForkServerProcess:
    """Call a function of a module in a process of its own."""
    process = FORKS.Process(target=function, args=args)
    process.start()
    return process


def poeem(words: list[str], log: Path, environment: dict[str, str] | None = None) -> ForkServerProcess:
    """``poeem WORDS``, which writes what it says to ``log``."""
    return start(_command, words, log, environment or {})


def _command(words: list[str], log: Path, environment: dict[str, str]) -> None:
    with log.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.environ.update(environment)
    from poeem.cli.main import main

    sys.exit(main(words))
