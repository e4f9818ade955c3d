"""From ids as a user types them to numbers, with a hint where there is no such id."""

from __future__ import annotations

import difflib
from functools import cached_property

import numpy as np

# Comparing texts one by one takes some 10 µs each.
HINTED_IDS = 50_000


class Lookup:
    """Numbers of ids.

    Args:
        ids: int64 or strings, ``(n,)``; id ``ids[i]`` has number i.
        what: what they are ids of, for messages.

    >>> Lookup(np.array(["Heat (1995)", "Toy Story (1995)"], object), "item").number("toy story")
    Traceback (most recent call last):
    ...
    ValueError: item (='toy story') is not among the 2 known ones; did you mean 'Toy Story (1995)'?
    """

    def __init__(self, ids: np.ndarray, what: str) -> None:
        self._ids, self._what = ids, what

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {str(one): number for number, one in enumerate(self._ids.tolist())}

    def number(self, text: str) -> int:
        """The number of an id.

        Raises:
            ValueError: it is unknown; the message names the nearest id.
        """
        found = self._numbers.get(text.strip())
        if found is None:
            raise ValueError(
                f"{self._what} (={text.strip()!r}) is not among the {len(self._ids):,} known ones; {self._hint(text)}"
            )
        return found

    def numbers(self, text: str) -> np.ndarray:
        """Numbers of ids in a list that is separated by commas, in its order; an id may hold commas itself.

        Raises:
            ValueError: an id is unknown, or the list is empty.

        >>> Lookup(np.array(["Heat", "Matrix, The"], object), "item").numbers("Matrix, The,Heat")
        array([1, 0])
        """
        parts, numbers = text.split(","), []
        if not text.strip():
            raise ValueError(f"{self._what} list is empty; write ids separated by commas")
        while parts:
            # The longest run of parts that is an id.
            taken = next((n for n in range(len(parts), 0, -1) if ",".join(parts[:n]).strip() in self._numbers), 1)
            numbers.append(self.number(",".join(parts[:taken])))
            parts = parts[taken:]
        return np.array(numbers, dtype=np.int64)

    def _hint(self, text: str) -> str:
        known = {one.casefold(): one for one in self._numbers}
        wanted = text.strip().casefold()
        near = [one for folded, one in known.items() if wanted and folded.startswith(wanted)][:1]
        if not near and len(known) <= HINTED_IDS:
            near = [known[one] for one in difflib.get_close_matches(wanted, known, n=1, cutoff=0.5)]
        return f"did you mean {near[0]!r}?" if near else f"they look like {next(iter(self._numbers))!r}"
