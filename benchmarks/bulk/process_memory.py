"""Memory of a process and all that it started, sampled while it runs (Linux)."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from pathlib import Path

_SECONDS = 0.1


class Watched:
    """A command that is running, with the peak of its memory.

    Pages that several of its processes share are counted once (proportional set size).

    Args:
        command: program and arguments.
        log: file for its messages.
    """

    def __init__(self, command: list[str], log: Path) -> None:
        self._began = time.perf_counter()
        with log.open("w") as file:
            self._process = subprocess.Popen(command, stdout=file, stderr=file)
        self.peak_mib = 0.0
        self._cpu: dict[int, float] = {}
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def kill(self) -> None:
        """Kill the process that was started, with SIGKILL. Those that it started are left to themselves."""
        self._process.kill()
        self.wait()

    def wait(self) -> float:
        """Wait for its end; returns the seconds since its start.

        Raises:
            RuntimeError: it failed.
        """
        code = self._process.wait()
        seconds = time.perf_counter() - self._began
        self._watcher.join()
        if code not in (0, -9):
            raise RuntimeError(f"the command ended with code {code}")
        return seconds

    def _watch(self) -> None:
        while self.running():
            family = _family(self._process.pid)
            self.peak_mib = max(self.peak_mib, sum(map(_pss_mib, family)))
            self._cpu |= {pid: seconds for pid in family if (seconds := _cpu_seconds(pid))}
            time.sleep(_SECONDS)

    @property
    def cpu_seconds(self) -> float:
        """Time of the processor, of all processes."""
        return sum(self._cpu.values())


def _family(pid: int) -> list[int]:
    """A process and its descendants."""
    found = [pid]
    for one in found:
        for children in Path(f"/proc/{one}/task").glob("*/children"):
            try:
                found += map(int, children.read_text().split())
            except OSError:
                continue
    return found


def _cpu_seconds(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _pss_mib(pid: int) -> float:
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    return 0.0
