"""TextPairs: queries and the items that answer them, both texts; and their reader."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from poeem.data.columns import read_ids, read_numbers
from poeem.data.file_format import DEFAULT_FORMAT, FileFormat
from poeem.data.ragged import Ragged
from poeem.data.tables import PARQUET_SUFFIXES, SUFFIXES, read_table

if TYPE_CHECKING:
    import pyarrow as pa

# Usual names of our columns, the preferred one first.
COLUMNS = {
    "query": ("query", "anchor", "question", "sentence1"),
    "item": ("item", "positive", "document", "passage", "answer", "text", "sentence2"),
    "item_id": ("item_id", "document_id", "doc_id", "passage_id"),
    "negative": ("negative",),
    "score": ("score", "label", "relevance"),
}
TEXTS = ("query", "item", "negative")


@dataclass(frozen=True, eq=False)
class TextPairs:
    """Queries and the items that answer them. Nothing is checked here; `read_text_pairs` checks a file.

    Args:
        items: texts of the catalogue, ``(n_items,)``.
        item_ids: int64 or strings, ``(n_items,)``, distinct.
        queries: distinct texts, ``(nq,)``.
        relevant: numbers of the items that answer each query, ``nq`` rows, which may be empty.
        negatives: numbers of items that do not, ``nq`` rows; from ``n_items`` on, texts of ``others``.
        others: texts of negatives that are no items.
        titles: a line of text per item; None if there are none.
        warning: how the data differ from a published set; empty if they do not.
    """

    items: Sequence[str]
    item_ids: np.ndarray
    queries: Sequence[str]
    relevant: Ragged
    negatives: Ragged
    others: Sequence[str] = ()
    titles: Sequence[str] | None = None
    warning: str = ""

    @property
    def n_items(self) -> int:
        """Size of the catalogue."""
        return len(self.items)

    @cached_property
    def all_items(self) -> list[str]:
        """The texts that training may encode: those of the items, then ``others``."""
        return [*self.items, *self.others]


def read_text_pairs(
    path: str | os.PathLike[str],
    items: str | os.PathLike[str] | None = None,
    *,
    delimiter: str | None = None,
    encoding: str = "utf-8",
    log: Callable[[str], object] = lambda line: None,
) -> TextPairs:
    """Read pairs from a file, a folder of parts or a glob: Parquet, CSV or JSON Lines.

    Columns are ``query`` and ``item`` (texts), and optionally ``item_id``, ``negative`` (a text that does not answer
    the query) and ``score`` (pairs of score 0 or less are negatives). A few usual names are recognised, such as
    ``anchor`` and ``positive``. Without ``item_id``, every distinct text is an item, and ids are numbers from 0.
    Repeated pairs count once. A negative that also answers the query is dropped.

    Args:
        path: the pairs.
        items: a second file with ``item`` and optionally ``item_id`` and ``title``: items that need not be in a pair.
            Either both files have ``item_id`` or none.
        delimiter, encoding: of CSV files, see :class:`~poeem.data.file_format.FileFormat`.
        log: takes a line about columns with other names than ours.
    Raises:
        ValueError: a file cannot be read, a column is missing, a text is missing or empty (the message names the row,
            counted from 1 without the header), an id has two different texts, or no pair is left.
    """
    format = FileFormat(delimiter=delimiter, encoding=encoding)
    try:
        pairs = _columns(path, ("query", "item"), ("item_id", "negative", "score"), format, log)
        catalogue = _Catalogue("item_id" in pairs)
        if items is not None:
            catalogue.add(**_columns(items, ("item",), ("item_id", "title"), format, log), where=str(items))
        return _grouped(pairs, catalogue)
    except ValueError as error:
        text = str(error)
        named = (str(Path(path)), *([] if items is None else [str(Path(items))]))
        raise error if text.startswith(named) else ValueError(f"{Path(path)}: {text}") from None


def read_new_items(
    path: str | os.PathLike[str], log: Callable[[str], object] = lambda line: None
) -> tuple[np.ndarray | None, list[str], list[str] | None]:
    """Read texts with their ids and titles from a file of new items with ``item`` and optionally ``item_id`` and
    ``title``. Ids are not compared with each other.

    Returns:
        ids (None without the column), texts, and titles (None without the column).
    """
    columns = _columns(path, ("item",), ("item_id", "title"), DEFAULT_FORMAT, log)
    ids = _id_array(list(columns["item_id"])) if "item_id" in columns else None
    return ids, columns["item"], columns.get("title")


def read_items(
    path: str | os.PathLike[str], *, ids: bool, format: FileFormat = DEFAULT_FORMAT
) -> tuple[np.ndarray, list[str]]:
    """Read ids and texts from a file of items with columns ``item`` and, if ``ids``, ``item_id``; else ids are row
    numbers. Ids are not compared with each other.
    """
    columns = _columns(path, ("item", "item_id") if ids else ("item",), (), format, lambda line: None)
    listed = columns["item_id"] if ids else np.arange(len(columns["item"]))
    return _id_array(list(listed)), columns["item"]


def holds_texts(path: Path) -> bool:
    """Return whether a file is a table of items' texts: JSON Lines, CSV, or Parquet with a column of texts under one of
    the names of ``item``. Nothing is checked; a file that cannot be read holds none.
    """
    suffix = path.suffix.lower()
    if suffix not in PARQUET_SUFFIXES:
        return suffix in SUFFIXES
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        schema = pq.read_schema(path)
    except (OSError, pa.ArrowException):
        return False
    name = next((name for name in COLUMNS["item"] if name in schema.names), None)
    return name is not None and schema.field(name).type in (pa.string(), pa.large_string(), pa.string_view())


def item_columns(names: Sequence[str], *, ids: bool) -> tuple[str | None, str]:
    """Return the names of the columns of ids (None unless ``ids``) and of texts in a file of items.

    Raises:
        ValueError: one is missing.
    """
    found = [next((name for name in COLUMNS[ours] if name in names), None) for ours in ("item_id", "item")]
    for ours, name in zip(("item_id", "item"), found):
        if name is None and (ids or ours == "item"):
            listed = ", ".join(map(repr, names)) or "none"
            raise ValueError(f"column {ours!r} is missing (found: {listed}); rename the column that holds it")
    assert found[1] is not None
    return (found[0] if ids else None), found[1]


class _Catalogue:
    """Items by id or, without ids, by text."""

    def __init__(self, with_ids: bool) -> None:
        self.with_ids, self.number_of = with_ids, dict[Any, int]()
        self.texts, self.titles = list[str](), list[str]()

    def add(
        self, item: list[str], item_id: list[Any] | None = None, title: list[str] | None = None, where: str = ""
    ) -> np.ndarray:
        """The number of each item; new ones are added.

        Raises:
            ValueError: an id has two different texts, or ids are missing where others have them.
        """
        if (item_id is not None) != self.with_ids:
            raise ValueError(f"{where}: pairs and items must both have a column 'item_id', or none of them")
        numbers = np.empty(len(item), np.int64)
        for row, (key, text) in enumerate(zip(item if item_id is None else item_id, item)):
            number = self.number_of.setdefault(key, len(self.texts))
            if number == len(self.texts):
                self.texts.append(text)
                self.titles.append("" if title is None else title[row])
            elif self.texts[number] != text:
                raise ValueError(
                    f"item_id (={key!r}) has two different texts, in row {row + 1} {_short(text)} and before "
                    f"{_short(self.texts[number])}; give each text its own id"
                )
            numbers[row] = number
        return numbers


def _grouped(pairs: dict[str, Any], catalogue: _Catalogue) -> TextPairs:
    item = catalogue.add(pairs["item"], pairs.get("item_id"))
    query_of: dict[str, int] = {}
    query = np.array([query_of.setdefault(text, len(query_of)) for text in pairs["query"]], np.int64)
    positive = np.ones(len(query), bool) if "score" not in pairs else pairs["score"] > 0
    if not positive.any():
        raise ValueError("score: no pair has a score above 0; at least one pair must be relevant")
    negative_query, negative_item = query[~positive], item[~positive]
    others: dict[str, int] = {}
    if "negative" in pairs:
        text_number = {text: number for number, text in reversed(list(enumerate(catalogue.texts)))}
        n_items = len(catalogue.texts)
        found = [
            text_number[text] if text in text_number else n_items + others.setdefault(text, len(others))
            for text in pairs["negative"]
        ]
        negative_query = np.concatenate([negative_query, query])
        negative_item = np.concatenate([negative_item, np.array(found, np.int64)])
    relevant = _by_query(query[positive], item[positive], len(query_of))
    known = set(zip(relevant.row_of_value.tolist(), relevant.values.tolist()))
    keep = np.array([pair not in known for pair in zip(negative_query.tolist(), negative_item.tolist())], bool)
    ids = _id_array(list(catalogue.number_of)) if catalogue.with_ids else np.arange(len(catalogue.texts))
    return TextPairs(
        items=catalogue.texts,
        item_ids=ids,
        queries=list(query_of),
        relevant=relevant,
        negatives=_by_query(negative_query[keep], negative_item[keep], len(query_of)),
        others=list(others),
        titles=catalogue.titles if any(catalogue.titles) else None,
    )


def _by_query(query: np.ndarray, item: np.ndarray, n_queries: int) -> Ragged:
    """Distinct pairs of query and item, a row per query."""
    distinct = np.unique(np.stack([query, item], axis=1), axis=0) if len(query) else np.empty((0, 2), np.int64)
    return Ragged.from_lengths(np.bincount(distinct[:, 0], minlength=n_queries), distinct[:, 1])


def _columns(
    path: str | os.PathLike[str],
    required: Sequence[str],
    optional: Sequence[str],
    format: FileFormat,
    log: Callable[[str], object],
) -> dict[str, Any]:
    """The columns of a file by our names: lists of texts and ids, an array of scores."""

    def choose(names: list[str]) -> dict[str, str]:
        chosen = {}
        for ours in (*required, *optional):
            column = next((name for name in COLUMNS.get(ours, (ours,)) if name in names), None)
            if column is not None:
                chosen[column] = ours
            elif ours in required:
                listed = ", ".join(map(repr, names)) or "none"
                raise ValueError(f"column {ours!r} is missing (found: {listed}); rename the column that holds it")
        if any(column != ours for column, ours in chosen.items()):
            log("columns: " + ", ".join(f"{ours}={column!r}" for column, ours in chosen.items()))
        return chosen

    table = read_table(path, text_columns=(*TEXTS, "item_id", "title"), format=format, choose=choose)
    if table.num_rows == 0:
        raise ValueError(f"{Path(path)}: there are no rows; at least one is needed")
    found: dict[str, Any] = {}
    try:
        for name in table.column_names:
            if name in TEXTS:
                found[name] = _texts(table[name], name)
            elif name == "item_id":
                found[name] = read_ids(table[name], name).to_pylist()
            elif name == "title":
                found[name] = [text or "" for text in table[name].cast("string").to_pylist()]
            else:
                found[name] = read_numbers(table[name], name)
    except ValueError as error:
        raise ValueError(f"{Path(path)}: {error}") from None
    return found


def _texts(column: pa.ChunkedArray, name: str) -> list[str]:
    import pyarrow as pa

    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        raise ValueError(f"{name} must hold texts, not {column.type}; the column {name} is the text itself, not an id")
    texts = column.to_pylist()
    for row, text in enumerate(texts):
        if text is None or not text.strip():
            raise ValueError(f"{name} is missing or empty in row {row + 1}; fill it in or drop the row")
    return texts


def _id_array(ids: list[Any]) -> np.ndarray:
    return np.array(ids, dtype=object if ids and isinstance(ids[0], str) else np.int64)


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:40]}...")
