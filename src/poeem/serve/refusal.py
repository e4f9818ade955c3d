"""Refusal: an error of a request, which becomes its answer."""

from __future__ import annotations

import re

# Arguments of the library under the names that requests have.
_FIELDS = {"queries": "vectors", "column": "columns"}
_NAMED = re.compile(r"^([a-z_]+)(?: \(|:| must| have| has| do| are| is| names| hold)")


class Refusal(Exception):
    """An error of a request.

    Args:
        status: HTTP status.
        message: one sentence that names the field and the fix.
        field: the field of the request; None if it is about no single one.
        retry_after: seconds after which the client may try again; None says nothing.
    """

    def __init__(self, status: int, message: str, field: str | None = None, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.field, self.retry_after = status, " ".join(message.split()), field, retry_after


def refusal_of(error: ValueError, known: tuple[str, ...]) -> Refusal:
    """Return the refusal for an error of the library, whose text begins with the argument.

    Args:
        error: the error.
        known: fields of the request; an error that names none of them is about the first.

    >>> refusal_of(ValueError("k (=0) must be a whole number of at least 1"), ("user", "k")).field
    'k'
    >>> refusal_of(ValueError("item (='x') is not among the 3 known ones"), ("history", "k")).field
    'history'
    """
    named = _NAMED.match(str(error))
    field = _FIELDS.get(named[1], named[1]) if named else None
    return Refusal(422, str(error), field if field in known else known[0])
