"""Recognition of user, item, time, rating and title columns by their usual names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from poeem.data.file_format import FileFormat

USER, ITEM, TIMESTAMP, RATING, TITLE = "user", "item", "timestamp", "rating", "title"
# Our name of the column for each role of a FileFormat.
COLUMN_OF_ROLE = {"user": USER, "item": ITEM, "time": TIMESTAMP, "rating": RATING, "title": TITLE}
# In place of a column's name: use no column, even if one has a usual name.
NO_COLUMN = "none"
# Names in lower case without separators; earlier names are preferred.
USUAL_NAMES = {
    USER: "user userid uid customer customerid visitor visitorid member memberid reviewerid accountid clientid "
    "personid session sessionid",
    ITEM: "item itemid iid product productid article articleid asin parentasin sku movieid filmid trackid songid "
    "artistid bookid isbn newsid videoid contentid docid documentid businessid stockcode",
    TIMESTAMP: "timestamp time ts datetime eventtime eventtimestamp unixtime unixreviewtime createdat date tdat "
    "invoicedate",
    RATING: "rating ratings stars overall score",
    TITLE: "title itemtitle itemname producttitle productname movietitle",
}
# Shorter names that are unambiguous in a file of items.
ITEM_FILE_NAMES = {**USUAL_NAMES, ITEM: f"{USUAL_NAMES[ITEM]} id", TITLE: f"{USUAL_NAMES[TITLE]} name"}


def match_columns(
    names: Sequence[str],
    format: FileFormat,
    *,
    usual: Mapping[str, str] = USUAL_NAMES,
    required: Sequence[str] = (USER, ITEM),
) -> dict[str, str]:
    """Find the columns of a table for our names ``user``, ``item``, ``timestamp``, ``rating`` and ``title``.

    A column that the format names is used; ``none`` means no column. Otherwise a usual name is recognised, in upper or
    lower case, with or without ``_``, ``-`` or spaces, and with RecBole's types (``user_id:token``).

    Args:
        names: columns of the table.
        format: columns that the user named.
        usual: usual names and the name of ours that each means, see :data:`USUAL_NAMES`.
        required: our names that must be found.
    Returns:
        the column of the table by our name, for the names that were found.
    Raises:
        ValueError: a named column is not in the table, a required one is not recognised, or two columns have the same
            usual name; the message lists the columns.

    >>> match_columns(["user_id", "MovieID", "ts", "price"], FileFormat())
    {'user': 'user_id', 'item': 'MovieID', 'timestamp': 'ts'}
    """
    listed = ", ".join(map(repr, names)) or "none"
    matched = {}
    named = {COLUMN_OF_ROLE[role]: (role, column) for role, column in format.columns.items() if column is not None}
    unused = {ours for ours, (_, column) in named.items() if column == NO_COLUMN and column not in names}
    for ours, (role, column) in named.items():
        if column not in names and ours not in unused:
            raise ValueError(f"{role}_column (={column!r}) is not in the file (columns: {listed})")
    free = [name for name in names if name not in {column for _, column in named.values()}]
    for role, ours in COLUMN_OF_ROLE.items():
        if ours in unused:
            continue
        column = named[ours][1] if ours in named else _recognise(free, ours, role, usual[ours])
        if column is not None:
            matched[ours] = column
    missing = [role for role, ours in COLUMN_OF_ROLE.items() if ours in required and ours not in matched]
    if missing:
        fix = " and ".join(f"{role}_column='NAME'" for role in missing)
        raise ValueError(
            f"no {' and no '.join(missing)} column was recognised (columns: {listed}); name it with {fix}"
            + (_NO_HEADER_HINT if any(map(_is_value, names)) else "")
        )
    return matched


def item_columns(names: Sequence[str], format: FileFormat) -> dict[str, str]:
    """Choose new names for all columns of an item file: ``item`` and ``title`` for these two; the others keep theirs.

    If a column that the format names is not in the item file, it is recognised by its usual names.

    Returns:
        new names by old names.

    >>> item_columns(["movieId", "title", "price"], FileFormat(item_column="film"))
    {'movieId': 'item', 'title': 'title', 'price': 'price'}
    """
    item, title = (name if name in names else None for name in (format.item_column, format.title_column))
    format = FileFormat(item_column=item, title_column=title)
    matched = match_columns(names, format, usual=ITEM_FILE_NAMES, required=(ITEM,))
    ours = {matched[name]: name for name in (ITEM, TITLE) if name in matched}
    return {name: ours.get(name, name) for name in names}


_NO_HEADER_HINT = (
    ". The first line looks like data: for a file without column names give header (=False), "
    "and columns by number, such as user_column='1'"
)


def describe_columns(matched: dict[str, str], format: FileFormat) -> str | None:
    """Describe in one line which columns are used.

    Args:
        matched: from :func:`match_columns`.
        format: minimum rating.
    Returns:
        the line; None if all columns have our names and no rating is left unused.

    >>> describe_columns({"user": "user_id", "item": "item", "rating": "stars"}, FileFormat())
    "columns: user='user_id', item='item'; rows are in the order of time; 'stars' is not used: every row is a positive \
event (see min_rating)"
    """
    unused_rating = matched.get(RATING) if format.min_rating is None else None
    used = {ours: column for ours, column in matched.items() if ours != RATING or format.min_rating is not None}
    if unused_rating is None and all(ours == column for ours, column in used.items()):
        return None
    line = "columns: " + ", ".join(f"{ours}={column!r}" for ours, column in used.items())
    if TIMESTAMP not in used:
        line += "; rows are in the order of time"
    if unused_rating is not None:
        line += f"; {unused_rating!r} is not used: every row is a positive event (see min_rating)"
    return line


def _recognise(names: Sequence[str], ours: str, role: str, usual_names: str) -> str | None:
    if ours in names:
        return ours
    for usual in usual_names.split():
        matching = [name for name in names if re.sub(r"[\W_]", "", name.split(":")[0]).casefold() == usual]
        if len(matching) > 1:
            raise ValueError(
                f"columns {' and '.join(map(repr, matching))} may both be the {role}; "
                f"name one with {role}_column='{matching[0]}'"
            )
        if matching:
            return matching[0]
    return None


def _is_value(name: str) -> bool:
    """Whether a column's name reads as a number, as the first row of a file without header does."""
    return re.fullmatch(r"[+-]?\d+(\.\d+)?", name.strip()) is not None
