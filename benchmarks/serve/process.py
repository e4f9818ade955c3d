"""A server in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any


class ServerProcess:
    """``poeem serve FOLDER`` on a free port; the constructor returns when it is ready. A context manager.

    Args:
        folder: what is served.
        options: further words of the command.
        log: file of its log.
        seconds: time within which it must be ready.
    Raises:
        RuntimeError: it ended, or was not ready in time.
    """

    def __init__(self, folder: Path, *options: str, log: Path, seconds: float = 60) -> None:
        words = ["serve", str(folder), "--port", "0", *options]
        self.log, started = log, time.perf_counter()
        log.write_text("")
        self._process: Any = self._start(words)
        while True:
            ready = next((line for line in self.lines() if line["event"] == "ready"), None)
            if ready is not None:
                break
            if self._ended() or time.perf_counter() - started > seconds:
                self.kill()
                raise RuntimeError(f"poeem {' '.join(words)} is not ready: {log.read_text()}")
            time.sleep(0.01)
        #: Seconds from the start of the process to the line of the log that it is ready.
        self.seconds = time.perf_counter() - started
        self.url: str = ready["url"]
        self.port = int(self.url.rpartition(":")[2])

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def lines(self) -> list[dict[str, Any]]:
        """Lines of its log so far."""
        text = self.log.read_text()
        return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines() if line.startswith("{")]

    def resident(self) -> int:
        """Resident memory, bytes."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return 1024 * int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])

    def processor_seconds(self) -> float:
        """Processor time of all its threads so far, which other jobs of the machine do not change much."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def kill(self) -> None:
        """SIGKILL."""
        self._process.kill()
        self._wait()

    def stop(self) -> None:
        """SIGTERM, and wait."""
        os.kill(self.pid, signal.SIGTERM)
        self._wait()

    def __enter__(self) -> ServerProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._ended():
            self.kill()

    def _start(self, words: list[str]) -> Any:
        with self.log.open("w") as file:
            return subprocess.Popen([sys.executable, "-m", "poeem", *words], stderr=file, stdout=file)

    def _ended(self) -> bool:
        return self._process.poll() is not None

    def _wait(self) -> None:
        self._process.wait(60)
