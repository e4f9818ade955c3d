"""Subject and its measurements: scripts, runs of `poeem bench` and of `poeem train`, with their commands."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.read import Results

# Folder of the runs of `poeem train` that are compared with post-hoc indexes.
RUNS = Path("runs") / "benchmarks"
SMOKE_DATA = "--dataset ml-100k --epochs 0.2"


@dataclass(frozen=True)
class Context:
    """Where and how measurements run.

    Args:
        results: folder of the result files.
        seeds: seeds to measure with.
        smoke: tiny sizes, to test every script; the figures are meaningless.
    """

    results: Path
    seeds: Sequence[int] = (0, 1, 2)
    smoke: bool = False

    @property
    def runs(self) -> Path:
        """Folder of the runs of `poeem train`."""
        return self.results / "runs" if self.smoke else RUNS

    def seeds_of(self, first_only: bool) -> Sequence[int]:
        """The seeds of a measurement."""
        return self.seeds[:1] if first_only else self.seeds


@dataclass(frozen=True)
class Script:
    """A script of this folder, once per seed; it writes ``NAME-SEED.json``.

    Args:
        name: name of the result files.
        module: module below ``benchmarks``.
        arguments: arguments besides seed and file.
        smoke: further arguments for tiny sizes.
        first_seed_only: measure with one seed.
    """

    name: str
    module: str
    arguments: str = ""
    smoke: str = SMOKE_DATA
    first_seed_only: bool = False

    def outputs(self, context: Context) -> list[Path]:
        """The existing result files of all seeds, so that no table mixes old and new runs."""
        return sorted(context.results.glob(f"{self.name}-[0-9]*.json"))

    def commands(self, context: Context) -> list[list[str]]:
        """One command per seed."""
        options = shlex.split(self.arguments) + (shlex.split(self.smoke) if context.smoke else [])
        return [
            _python(f"benchmarks.{self.module}", *options, "--seed", seed, "--json", self._file(context.results, seed))
            for seed in context.seeds_of(self.first_seed_only)
        ]

    def _file(self, results: Path, seed: int) -> Path:
        return results / f"{self.name}-{seed}.json"


@dataclass(frozen=True)
class Bench:
    """`poeem bench` for all seeds; it writes a folder.

    Args:
        name: name of the folder, ``DATA-KIND``.
        arguments: arguments besides seeds and folder.
        data: arguments that choose the vectors; ``{runs}`` is the folder of the runs of `poeem train`.
        smoke: further arguments for tiny sizes.
        first_seed_only: measure with one seed.
    """

    name: str
    arguments: str
    data: str
    smoke: str = ""
    first_seed_only: bool = False

    def outputs(self, context: Context) -> list[Path]:
        """The folder, and ``NAME.2`` and so on, which other machines have measured."""
        return [
            folder
            for folder in (context.results / self.name, *sorted(context.results.glob(f"{self.name}.[0-9]*")))
            if folder.exists()
        ]

    def commands(self, context: Context) -> list[list[str]]:
        """One command."""
        seeds = ",".join(map(str, context.seeds_of(self.first_seed_only)))
        data = tiny_data_arguments(context.results) if context.smoke and "--run" not in self.data else self.data
        data = f"{data} {self.arguments} {self.smoke if context.smoke else ''}".format(runs=context.runs)
        options = shlex.split(data)
        return [
            _python("poeem", "bench", "--no-plots", "--seeds", seeds, "--out", context.results / self.name, *options)
        ]


@dataclass(frozen=True)
class TaughtQueries:
    """The script `frozen.taught_queries` for all seeds; it writes one folder in the format of `poeem bench`."""

    name: str

    def outputs(self, context: Context) -> list[Path]:
        """The folder."""
        folder = context.results / self.name
        return [folder] if folder.exists() else []

    def commands(self, context: Context) -> list[list[str]]:
        """One command per seed."""
        options = ["--files", context.results / "tiny"] if context.smoke else []
        file = context.results / self.name / "bench.json"
        module = "benchmarks.frozen.taught_queries"
        return [_python(module, *options, "--seed", seed, "--json", file) for seed in context.seeds]


@dataclass(frozen=True)
class Train:
    """A run of `poeem train` on MovieLens-1M that a `Bench` compares with; kept if it is finished."""

    spec: str

    def outputs(self, context: Context) -> list[Path]:
        """The folder of the run."""
        folder = context.runs / self.spec
        return [folder] if folder.exists() else []

    def commands(self, context: Context) -> list[list[str]]:
        """One command, or none."""
        data = shlex.split(SMOKE_DATA if context.smoke else "--dataset ml-1m")
        options = [*data, "--index", self.spec, "--baselines", "none"]
        done = (context.runs / self.spec / "metrics.json").exists()
        return [] if done else [_python("poeem", "train", *options, "--out", context.runs / self.spec)]


Measurement = Script | Bench | TaughtQueries | Train


@dataclass(frozen=True)
class Subject:
    """A folder of benchmarks.

    Args:
        title: one line.
        parts: measurements by name, in the order they run.
        tables: functions that make the block ``<!-- NAME -->`` of a document, by name; empty text without results.
        figures: functions that draw ``docs/figures/NAME``, by name.
    """

    title: str
    parts: Mapping[str, Sequence[Measurement]]
    tables: Mapping[str, Callable[[Results], str]] = field(default_factory=dict)
    figures: Mapping[str, Callable[[Results, Path], None]] = field(default_factory=dict)


def tiny_data_arguments(results: Path) -> str:
    """Arguments of `poeem bench` for the files of `vectors.tiny`."""
    tiny = results / "tiny"
    return (
        f"--items {tiny}/items.npy --queries {tiny}/test.npy --relevance {tiny}/test.parquet "
        f"--train-queries {tiny}/train.npy --train-relevance {tiny}/train.parquet"
    )


def _python(module: str, *arguments: object) -> list[str]:
    return [sys.executable, "-m", module, *map(str, arguments)]
