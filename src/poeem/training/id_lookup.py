"""Row numbers of ids: rows_of for arrays, Lookup for ids that a user typed, with an error that names the nearest known
id; and checks that a bundle still has the items of its training.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from functools import cached_property
from typing import Any

import numpy as np

from poeem.bundle.bundle import Bundle

# The nearest id is searched among at most so many: comparing two texts takes about 10 µs.
HINTED_IDS = 50_000


def rows_of(ids: np.ndarray, among: np.ndarray) -> np.ndarray:
    """Find the row of each id.

    Args:
        ids: ids to find, ``(n,)``.
        among: ids by row, distinct.
    Returns:
        int64, ``(n,)``; -1 for an id that is not there.

    >>> rows_of(np.array([7, 5]), among=np.array([5, 6]))
    array([-1,  0])
    """
    row_of = {id: row for row, id in enumerate(among.tolist())}
    return np.array([row_of.get(id, -1) for id in ids.tolist()], dtype=np.int64)


def check_same_items(bundle: Bundle, ids: np.ndarray) -> None:
    """Check that the items of a bundle are still those of its training, in order. Replaced vectors are not noticed.

    Args:
        bundle: the bundle.
        ids: ids of the training, ``(n,)``.
    Raises:
        ValueError: items were added or deleted.
    """
    if not np.array_equal(bundle.ids, ids):
        raise ValueError(
            f"the items of {str(bundle.path)!r} are no longer those of its training, figures cannot be compared; use "
            "a copy of the run without the changes, or train again"
        )


def check_trained(bundle: Bundle, numbers: np.ndarray) -> None:
    """Check that the model of a run knows all items of its bundle.

    Args:
        bundle: the bundle.
        numbers: int64, ``(n,)``: number of each row's item in the training, -1 for one that was added later.
    Raises:
        ValueError: an item was added after the training.
    """
    if (numbers < 0).any():
        raise ValueError(
            f"item {bundle.ids[int(np.argmax(numbers < 0))]!r} was added after the training, the model has no vector "
            "of it; train again, or pass the vectors that the items were added with"
        )


class Lookup:
    """A table from ids to numbers: id ``ids[i]`` has number i.

    Args:
        ids: int64 or strings, ``(n,)``.
        kind: ``"item"`` or ``"user"``, for messages.
        bundle_ids: ids of the index if they may differ from ``ids``; an error then says that an item was added after
            the training.

    >>> Lookup(np.array(["Heat (1995)", "Toy Story (1995)"], object), "item").number("toy story")
    Traceback (most recent call last):
    ...
    ValueError: item (='toy story') is not among the 2 known ones; did you mean 'Toy Story (1995)'?
    """

    def __init__(self, ids: np.ndarray, kind: str, *, bundle_ids: np.ndarray | None = None) -> None:
        self._ids, self._kind, self._bundle_ids = ids, kind, bundle_ids

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {str(id): number for number, id in enumerate(self._ids.tolist())}

    def number(self, text: str) -> int:
        """Return the number of an id.

        Args:
            text: the id as text.
        Raises:
            ValueError: it is unknown; the message names the nearest known id.
        """
        number = self._numbers.get(text.strip())
        if number is not None:
            return number
        if self._bundle_ids is not None and text.strip() in map(str, self._bundle_ids.tolist()):
            raise ValueError(
                f"{self._kind} (={text.strip()!r}) was added after the training, the model cannot read it in a "
                "history; leave it out, or search for items similar to it"
            )
        raise ValueError(
            f"{self._kind} (={text.strip()!r}) is not among the {len(self._ids):,} known ones; {self._hint(text)}"
        )

    def numbers(self, text: str) -> np.ndarray:
        """Return the numbers of ids in a list separated by commas, in its order. An id may contain commas.

        Returns:
            int64, ``(n,)``.
        Raises:
            ValueError: an id is unknown, or the list is empty.

        >>> Lookup(np.array(["Heat", "Matrix, The"], object), "item").numbers("Matrix, The,Heat")
        array([1, 0])
        """
        parts, numbers = text.split(","), []
        if not text.strip():
            raise ValueError(f"{self._kind} list is empty; write ids separated by commas")
        while parts:
            # The longest sequence of parts that is an id.
            length = next((n for n in range(len(parts), 0, -1) if ",".join(parts[:n]).strip() in self._numbers), 1)
            numbers.append(self.number(",".join(parts[:length])))
            parts = parts[length:]
        return np.array(numbers, dtype=np.int64)

    def numbers_of(self, ids: Iterable[Any]) -> np.ndarray:
        """Return the numbers of many ids.

        Args:
            ids: the ids, ``n`` of them.
        Returns:
            int64, ``(n,)``.
        Raises:
            ValueError: an id is unknown; the message names the nearest known one.
        """
        listed = ids.tolist() if isinstance(ids, np.ndarray) else list(ids)
        known = self._numbers
        return np.array([known[str(id)] if str(id) in known else self.number(str(id)) for id in listed], dtype=np.int64)

    def _hint(self, text: str) -> str:
        id_of = {id.casefold(): id for id in self._numbers}
        typed = text.strip().casefold()
        near = [id for folded, id in id_of.items() if typed and folded.startswith(typed)][:1]
        if not near and len(id_of) <= HINTED_IDS:
            near = [id_of[folded] for folded in difflib.get_close_matches(typed, id_of, n=1, cutoff=0.5)]
        return f"did you mean {near[0]!r}?" if near else f"they look like {next(iter(self._numbers))!r}"
