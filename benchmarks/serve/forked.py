"""A server that starts at once: a fork of a process that has imported torch and the server."""

from __future__ import annotations

import multiprocessing
import os
import sys
from pathlib import Path
from typing import Any

from benchmarks.serve.process import ServerProcess

_IMPORTED = [
    "torch",
    "benchmarks.record",
    "accelerate",
    "uvicorn",
    "poeem.bundle.encoder",
    "poeem.cli.main",
    "poeem.serve.app",
    "poeem.serve.version",
]
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(_IMPORTED)


class ForkedServer(ServerProcess):
    """``poeem serve FOLDER``, see `ServerProcess`; for measurements of anything but the start."""

    def _start(self, words: list[str]) -> Any:
        process = _FORKS.Process(target=_serve, args=(words, self.log))
        process.start()
        return process

    def _ended(self) -> bool:
        return self._process.exitcode is not None

    def _wait(self) -> None:
        self._process.join(60)


def _serve(words: list[str], log: Path) -> None:
    with log.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    from poeem.cli.main import main

    sys.exit(main(words))
