"""FileFormat: column names, delimiter, header, encoding and minimum rating of a file of interactions."""

from __future__ import annotations

import codecs
import math
from dataclasses import dataclass

from poeem.option import more_option

# Delimiters that a shell makes hard to type.
_DELIMITER_NAMES = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " "}


@dataclass(frozen=True)
class FileFormat:
    """The format of a file of interactions: names of columns, and how a CSV file is written.

    By default the usual column names and delimiters are recognised. Every row is a positive event, whatever its rating,
    unless ``min_rating`` is set.

    Raises:
        ValueError: the delimiter is not one character, the encoding is unknown, ``min_rating`` is not finite, or one
            column is named twice.

    >>> FileFormat(delimiter="tab").delimiter
    '\\t'
    """

    user_column: str | None = more_option(None, "Column of user ids. Default: user, user_id, customer_id or similar.")
    item_column: str | None = more_option(None, "Column of item ids. Default: item, item_id, product_id or similar.")
    time_column: str | None = more_option(
        None, "Column of times, or none. Default: timestamp, ts or similar, else row order."
    )
    rating_column: str | None = more_option(
        None, "Column of ratings, for --min-rating. Default: rating, stars or similar."
    )
    title_column: str | None = more_option(None, "Column of item titles. Default: title, item_name or similar.")
    min_rating: float | None = more_option(
        None, "Drop rows with a lower rating. Default: every row is a positive event."
    )
    delimiter: str | None = more_option(None, "Character between the fields of a CSV file, or tab. Default: detected.")
    header: bool = more_option(
        True, "Whether a CSV file begins with column names; without, columns are 1, 2, 3.", flag="--header/--no-header"
    )
    encoding: str = more_option("utf-8", "Encoding of a CSV file, such as latin-1, cp1252 or utf-16.")

    def __post_init__(self) -> None:
        if self.delimiter is not None:
            object.__setattr__(self, "delimiter", _DELIMITER_NAMES.get(self.delimiter, self.delimiter))
            if len(self.delimiter) != 1 or self.delimiter in '"\r\n':
                raise ValueError(f"delimiter (={self.delimiter!r}) must be one character, such as ';', or 'tab'")
        try:
            codecs.lookup(self.encoding)
        except LookupError:
            raise ValueError(
                f"encoding (={self.encoding!r}) is unknown; use utf-8, latin-1, cp1252 or utf-16"
            ) from None
        if self.min_rating is not None and not math.isfinite(self.min_rating):
            raise ValueError(f"min_rating (={self.min_rating}) must be a finite number")
        columns = [name for name in self.columns.values() if name not in (None, "none")]
        for name in columns:
            if columns.count(name) > 1:
                roles = [f"{role}_column" for role, column in self.columns.items() if column == name]
                raise ValueError(f"{roles[1]} (={name!r}) is the same as {roles[0]}; name another column")

    @property
    def columns(self) -> dict[str, str | None]:
        """The columns that the user named, by role: user, item, time, rating, title. None: not named; ``"none"``: there
        is no such column.
        """
        return {role: getattr(self, f"{role}_column") for role in ("user", "item", "time", "rating", "title")}


DEFAULT_FORMAT = FileFormat()
