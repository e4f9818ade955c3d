"""New items of a text run, from a file of texts to ids, titles and vectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from poeem.data.pairs.text_pairs import read_new_items

if TYPE_CHECKING:
    import pyarrow as pa

TITLE = 200


def title_of(text: str) -> str:
    """The beginning of a text on one line, which stands for it in results.

    >>> title_of("a\\n  b")
    'a b'
    """
    return " ".join(text[:TITLE].split())


def encode_new_items(
    path: Path,
    encode: Callable[[Sequence[str]], np.ndarray],
    *,
    known_ids: np.ndarray,
    log: Callable[[str], object] = lambda line: None,
) -> tuple[pa.Table, np.ndarray]:
    """Read items for ``poeem add`` and compute their vectors.

    Args:
        path: a table with a column ``item`` of texts, and optionally ``item_id`` and ``title``. Without ``item_id``,
            ids are the numbers that follow the largest of ``known_ids``.
        encode: from texts to vectors ``(n, dim)``.
        known_ids: ids of the items that the index has.
        log: called with a line about ids that were chosen, or columns of other names.
    Returns:
        a table of ids with titles, and the vectors.
    Raises:
        ValueError: the file cannot be read, a text is empty, or ids are missing where the items have strings.
    """
    import pyarrow as pa

    ids, texts, titles = read_new_items(path, log)
    if ids is None:
        if known_ids.dtype == object:
            raise ValueError(f"{path}: column 'item_id' is missing: the items of this index have strings as ids")
        first = int(known_ids.max(initial=-1)) + 1
        ids = np.arange(first, first + len(texts))
        log(f"new items have the ids {first} to {first + len(texts) - 1}")
    given = [""] * len(texts) if titles is None else titles
    lines = [title or title_of(text) for title, text in zip(given, texts)]
    return pa.table({"id": pa.array(ids.tolist()), "title": pa.array(lines, pa.string())}), encode(texts)
