"""Recipe: how a model and its index are trained from one kind of data, as commands and ``poeem.load`` know it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    import numpy as np
    from accelerate import Accelerator

    from poeem.bundle.bundle import Bundle
    from poeem.evaluation.query_set import QuerySet
    from poeem.training.run_folder import RunFolder


class Run(Protocol):
    """Protocol of a finished run, as ``Recipe.load`` returns it. The class of a recipe may have more."""

    @property
    def folder(self) -> RunFolder: ...

    @property
    def config(self) -> dict[str, Any]: ...

    @property
    def bundle(self) -> Bundle: ...

    def item_vectors(self) -> np.ndarray:
        """Compute the vectors of all items before the index, in the bundle's order: float32 ``(n, dim)``."""
        ...

    def items_of_file(self, path: Path) -> tuple[np.ndarray, Callable[[slice], np.ndarray]]:
        """Read the ids of a file's items, for ``poeem encode``.

        Returns:
            the ids, and a function from a slice of them to item vectors.
        """
        ...


class RunWithQueries(Run, Protocol):
    """Protocol of a run with test queries, for ``poeem explain``."""

    def query_set(self) -> QuerySet:
        """Return the test queries with the relevant rows of the bundle."""
        ...


class Answer(NamedTuple):
    """The best items of a search.

    Args:
        title: says what was searched for.
        scores: float32, ``(1, k)``, best first.
        rows: int64, ``(1, k)``: rows of the bundle; -1 if there are fewer items.
        notes: lines for the user, such as what of a query was not understood.
    """

    title: str
    scores: np.ndarray
    rows: np.ndarray
    notes: tuple[str, ...] = ()


class QueryVectors(NamedTuple):
    """Vectors to search an engine with.

    Args:
        vectors: float32, ``(n, dim)``.
        left_out: for each, the ids of items that are no result: those that the user knows, and those that the model
            does not know.
    """

    vectors: np.ndarray
    left_out: list[list[Any]]


@dataclass(frozen=True)
class Recipe:
    """What commands know of a recipe. Its functions import what they need when they are called.

    Args:
        name: in ``config.json`` of a run. The option ``--NAME`` of ``poeem train`` gives the data and chooses the
            recipe; it is a field of the group ``files``.
        groups: option groups of ``poeem train`` by their names in configuration files. ``files`` and ``run``
            (`RunOptions`) must be among them. Recipes may share groups; fields of one name have one type.
        data_sets: names for ``--dataset``.
        queries: dataclass of the options of ``poeem search`` that say what to search for, beside ``--item``.
        figures: figures of ``metrics.json`` in the report; models are compared by ``main_figure``.
        read: data from the group ``files``, or a data set by its name; called with the options by group, and a
            function that logs a line.
        train: trains, writes the run and returns ``metrics.json``; called with the data, the options by group, and
            whether to resume. Empty on all but the main process.
        load: reads a finished run; called with its folder and a device.
        evaluate: evaluates a finished run again and writes ``metrics.json``.
        search: searches a loaded run; called with the given options of ``queries`` (or ``item``), ``k`` and ``nprobe``.
        encode: computes the vectors of several searches, for a server; called with a loaded run and, for each search,
            the options of ``queries`` by name, or ``item``. All have the same names. A history is a list of ids, an
            image the bytes of its file.
    """

    name: str
    groups: Mapping[str, type]
    data_sets: tuple[str, ...]
    queries: type
    figures: tuple[str, ...]
    main_figure: str
    read: Callable[[Mapping[str, Any], Callable[[str], None]], Any]
    train: Callable[[Any, Mapping[str, Any], bool], dict[str, Any]]
    load: Callable[[str | Path, str], Run]
    evaluate: Evaluate
    search: Callable[[Any, Mapping[str, str], int, int | None], Answer]
    encode: Callable[[Any, Sequence[Mapping[str, Any]]], QueryVectors]

    @property
    def usage(self) -> str:
        """The option that gives the data, such as ``--interactions FILE``."""
        fields = {field.name: field for field in dataclasses.fields(self.groups["files"])}
        return f"--{self.name} {fields[self.name].metadata['metavar']}"

    @property
    def options(self) -> dict[str, dataclasses.Field[Any]]:
        """The fields of all groups by name."""
        return {field.name: field for group in self.groups.values() for field in dataclasses.fields(group)}


class Evaluate(Protocol):
    """``Recipe.evaluate``."""

    def __call__(
        self, path: str | Path, *, accelerator: Accelerator, baselines: Sequence[str], nprobe: int | None
    ) -> dict[str, Any]: ...
