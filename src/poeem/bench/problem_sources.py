"""Problems from files and from data sets by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from poeem.bench.problem import Problem, one_each
from poeem.data.ragged import Ragged
from poeem.data.relevance import read_pairs
from poeem.data.vectors import read_vectors


def problem_from_files(
    items: str | Path,
    queries: str | Path,
    relevance: str | Path | None = None,
    *,
    train_queries: str | Path | None = None,
    train_relevance: str | Path | None = None,
    column: str | None = None,
) -> Problem:
    """Vectors of ``.npy`` or Parquet files; relevance of Parquet or CSV files, columns ``query`` and ``item``.

    Args:
        items, queries, train_queries: see ``read_vectors``.
        relevance, train_relevance: row numbers of queries and items, see ``read_relevance``.
        column: of the vectors, in Parquet files.
    Raises:
        ValueError: a file is missing, damaged or does not fit the others.
    """
    vectors = read_vectors(items, column=column)
    asked = read_vectors(queries, column=column)
    taught = None if train_queries is None else read_vectors(train_queries, column=column)
    if taught is None and train_relevance is not None:
        raise ValueError("--train-relevance goes with --train-queries; give both")
    taught_relevant = (
        None if train_relevance is None or taught is None else read_relevance(train_relevance, len(taught))
    )
    return Problem(
        name=Path(items).stem,
        items=vectors,
        queries=asked,
        relevant=None if relevance is None else read_relevance(relevance, len(asked)),
        train_queries=taught,
        train_relevant=taught_relevant,
    )


def problem_from_dataset(name: str) -> Problem:
    """The test queries of a data set of vectors, with its training queries beside them.

    Raises:
        ValueError: there is no such data set of vectors.
        RuntimeError: it is not in the cache and cannot be fetched.
    """
    from poeem.data.datasets import load_embedded

    found = load_embedded(name)
    answers, taught = found.relevance, found.queries["train"]
    return Problem(
        name=name,
        items=found.items,
        queries=found.queries["test"],
        relevant=None if answers is None else one_each(answers["test"]),
        train_queries=taught if len(taught) else None,
        train_relevant=None if answers is None else one_each(answers["train"]),
        warning=found.warning,
    )


def read_relevance(path: str | Path, n_queries: int) -> Ragged:
    """Relevant items of every query, from a file with a row for every pair.

    Args:
        path: see ``read_pairs``. A pair that comes twice counts once.
        n_queries: rows of the queries.
    Raises:
        ValueError: the file is missing, damaged, lacks the columns, or names a query there is not.
    """
    pairs = np.unique(read_pairs(path), axis=0)
    if len(pairs) and not 0 <= pairs[0, 0] <= pairs[-1, 0] < n_queries:
        wrong = pairs[0, 0] if pairs[0, 0] < 0 else pairs[-1, 0]
        raise ValueError(f"{path}: query {wrong} is no row of the {n_queries} queries; drop such pairs")
    return Ragged.from_lengths(np.bincount(pairs[:, 0], minlength=n_queries), pairs[:, 1])
