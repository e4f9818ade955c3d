"""One command in a process of its own, with limits, whose time and memory are measured."""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

# What commands import when they are first used: a forked child has it already.
MODULES = (
    "accelerate",
    "faiss",
    "faiss.contrib.ondisk",
    "pandas",
    "pyarrow.compute",
    "pyarrow.csv",
    "pyarrow.dataset",
    "pyarrow.parquet",
    "pydantic.main",
    "rich.console",
    "rich.progress",
    "rich.table",
    "safetensors.torch",
    "scipy.stats",
    "torch",
    "torch._dynamo",
    "typer.rich_utils",
    "poeem.bench",
    "poeem.cli.main",
    "poeem.cli.print_metrics",
    "poeem.data.datasets",
    "poeem.data.read_interactions",
    "poeem.engines.faiss.write",
    "poeem.engines.refresh",
    "poeem.explain.sources",
    "poeem.explain.text",
    "poeem.training.encode",
    "poeem.training.interactions.run",
    "poeem.training.recommend",
    "poeem.training.recipes.interactions",
    "poeem.training.recipes.vector_files",
)


@dataclass(frozen=True)
class Outcome:
    """How a command ended.

    Args:
        code: exit code; negative is a signal.
        output, error: what it printed.
        seconds: of the processor.
        mebibytes: by which its memory grew at most.
    """

    code: int
    output: str
    error: str
    seconds: float
    mebibytes: float

    @property
    def traceback(self) -> bool:
        """Whether the user saw Python's inside, or the process crashed."""
        crashed = self.code in (-signal.SIGSEGV, -signal.SIGABRT, -signal.SIGBUS, -signal.SIGFPE)
        return crashed or any(
            text in self.error for text in ("Traceback", "internal fault", "Exception ignored", "Warning: ")
        )

    @property
    def refused_in_one_line(self) -> bool:
        """Whether it ended with an error of one line."""
        errors = [line for line in self.error.splitlines() if line.startswith("poeem: error: ")]
        return self.code in (1, 2) and len(errors) == 1


def prepare() -> None:
    """Import everything that is installed once, so that children start at once."""
    _import(MODULES)
    # A collection would copy the pages that children share.
    gc.collect()
    gc.freeze()


def _import(names: Iterable[str]) -> None:
    for name in names:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


def run(
    words: list[str],
    folder: Path,
    *,
    file_bytes: int | None = None,
    kill_after: float | None = None,
    user: int | None = None,
    learn: bool = False,
    limit_seconds: float = 60,
    limit_wall: float = 300,
) -> Outcome:
    """Run ``poeem WORDS`` in ``folder``.

    Args:
        words: of the command line.
        folder: to work in.
        file_bytes: no file may become larger, as on a full disk.
        kill_after: seconds after which it is killed.
        user: number of the user to be; None stays the same one.
        learn: import here what it imports, for the commands after it.
        limit_seconds: of the processor; beyond it is killed and has hung.
        limit_wall: seconds by the clock, likewise; a command that waits for a FIFO uses no processor.
    """
    pipes = [os.pipe() for _ in range(3)]
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        code = 70
        try:
            os.chdir(folder)
            for number, (read, write) in enumerate(pipes[:2], start=1):
                os.dup2(write, number)
                os.close(read)
                os.close(write)
            os.close(pipes[2][0])
            resource.setrlimit(resource.RLIMIT_CPU, (int(limit_seconds) + 1, int(limit_seconds) + 2))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            if file_bytes is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
            if user is not None:
                os.setgroups([])
                os.setgid(user)
                os.setuid(user)
            from poeem.cli.main import main

            code = main(words)
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            with contextlib.suppress(OSError, ValueError):
                sys.stdout.flush()
                sys.stderr.flush()
                if learn:
                    os.write(pipes[2][1], "\n".join(sys.modules).encode())
            os._exit(code)
    texts = [_reader(pipe) for pipe in pipes]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if kill_after is not None:
        time.sleep(kill_after)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    alarm = threading.Timer(limit_wall, os.kill, (child, signal.SIGKILL))
    alarm.start()
    _, status, usage = os.wait4(child, 0)
    alarm.cancel()
    output, error, modules = (text() for text in texts)
    _import(modules.split())
    return Outcome(
        code=os.waitstatus_to_exitcode(status),
        output=output,
        error=error,
        seconds=usage.ru_utime + usage.ru_stime,
        mebibytes=max(0, usage.ru_maxrss - before) / 1024,
    )


def _reader(pipe: tuple[int, int]) -> Callable[[], str]:
    """Read a pipe beside the child, so that it never waits for us; the text when it has ended."""
    read, write = pipe
    os.close(write)
    parts: list[bytes] = []

    def collect() -> None:
        with os.fdopen(read, "rb") as file:
            parts.append(file.read())

    thread = threading.Thread(target=collect)
    thread.start()

    def text() -> str:
        thread.join()
        return b"".join(parts).decode(errors="replace")

    return text
