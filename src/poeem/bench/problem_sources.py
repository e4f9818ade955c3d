"""Read the problem of a benchmark from files, or from a data set by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from poeem.bench.problem import Problem, one_per_query
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
    """Read a problem from vectors in ``.npy`` or Parquet files and relevance in Parquet or CSV files.

    Args:
        items, queries, train_queries: files of vectors, see ``read_vectors``.
        relevance, train_relevance: files with columns ``query`` and ``item`` (row numbers), see ``read_relevance``.
        column: column of the vectors in Parquet files.
    Raises:
        ValueError: a file is missing, damaged or does not fit the others.
    """
    vectors = read_vectors(items, column=column)
    test = read_vectors(queries, column=column)
    train = None if train_queries is None else read_vectors(train_queries, column=column)
    if train is None and train_relevance is not None:
        raise ValueError("--train-relevance needs --train-queries; give both")
    train_relevant = None if train_relevance is None or train is None else read_relevance(train_relevance, len(train))
    return Problem(
        name=Path(items).stem,
        items=vectors,
        queries=test,
        relevant=None if relevance is None else read_relevance(relevance, len(test)),
        train_queries=train,
        train_relevant=train_relevant,
    )


def problem_from_dataset(name: str) -> Problem:
    """Make a problem of the items, test queries and training queries of a data set of vectors.

    Raises:
        ValueError: there is no such data set of vectors.
        RuntimeError: the data set is not in the cache and cannot be downloaded.
    """
    from poeem.data.datasets import load_embedded

    data = load_embedded(name)
    relevance, train = data.relevance, data.queries["train"]
    return Problem(
        name=name,
        items=data.items,
        queries=data.queries["test"],
        relevant=None if relevance is None else one_per_query(relevance["test"]),
        train_queries=train if len(train) else None,
        train_relevant=None if relevance is None else one_per_query(relevance["train"]),
        warning=data.warning,
    )


def read_relevance(path: str | Path, n_queries: int) -> Ragged:
    """Read the relevant items of each query, from a file with one row per pair of query and item.

    Args:
        path: the file, see ``read_pairs``. A repeated pair counts once.
        n_queries: number of queries.
    Raises:
        ValueError: the file is missing, damaged, lacks the columns, or names a query that does not exist.
    """
    pairs = np.unique(read_pairs(path), axis=0)
    if len(pairs) and not 0 <= pairs[0, 0] <= pairs[-1, 0] < n_queries:
        wrong = pairs[0, 0] if pairs[0, 0] < 0 else pairs[-1, 0]
        raise ValueError(f"{path}: query {wrong} is not a row of the {n_queries} queries; drop such pairs")
    return Ragged.from_lengths(np.bincount(pairs[:, 0], minlength=n_queries), pairs[:, 1])
