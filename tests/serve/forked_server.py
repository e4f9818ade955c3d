"""A server that starts at once: a fork of a process that has imported torch."""

from __future__ import annotations

from typing import Any

from benchmarks.serve.process import ServerProcess
from tests import forked


class ForkedServer(ServerProcess):
    """``poeem serve FOLDER``, see `ServerProcess`."""

    def _start(self, words: list[str]) -> Any:
        return forked.poeem(words, self.log)

    def _ended(self) -> bool:
        return self._process.exitcode is not None

    def _wait(self) -> None:
        self._process.join(60)
