"""Parse a condition on the columns of a bundle, such as ``department = 'DAIRY' AND price < 5``."""

from __future__ import annotations

import functools
import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

EXAMPLE = "department = 'DAIRY' AND NOT brand IN ('A', 'B')"


@dataclass(frozen=True, eq=False)
class Condition:
    """A condition that has been checked against the columns of a table.

    Args:
        sql: the condition in SQL as Lance reads it, identifiers in backticks.
        expression: the same as an expression of pyarrow.
    """

    sql: str
    expression: Any

    def rows(self, table: pa.Table) -> np.ndarray:
        """Return for which rows the condition is true, bool ``(n,)``. A comparison with a missing value is not true.

        Raises:
            ValueError: a value has another type than its column.
        """
        import pyarrow as pa
        from pyarrow import dataset

        numbered = table.append_column("__row", pa.array(np.arange(table.num_rows)))
        try:
            found = dataset.dataset(numbered).to_table(columns=["__row"], filter=self.expression)
        except (pa.ArrowException, ValueError) as error:
            reason = " ".join(str(error).split())
            raise ValueError(
                f"where (={self.sql!r}) compares a column with a value of another type: {reason}"
            ) from None
        rows = np.zeros(table.num_rows, dtype=bool)
        rows[found["__row"].to_numpy()] = True
        return rows


def parse_condition(text: str, table: pa.Table | None) -> Condition:
    """Parse a condition, and return it. The text is never run as code.

    Allowed are comparisons (``=``, ``!=``, ``<``, ``<=``, ``>``, ``>=``), ``IN``, ``BETWEEN``, ``IS NULL``, ``AND``,
    ``OR``, ``NOT`` and parentheses, with columns and values. Text values are in single quotes.

    Args:
        text: the condition.
        table: the table with the columns; None has no columns, so every column is unknown. Upper and lower case of a
            column's name need not match if it is unique.
    Raises:
        ValueError: the text cannot be read, names an unknown column or has anything else than the above, or the package
            ``sqlglot`` is not installed.

    >>> import pyarrow as pa
    >>> table = pa.table({"brand": ["A", "B", None], "price": [1.0, 2.5, 3.0]})
    >>> condition = parse_condition("brand != 'A' OR Price BETWEEN 2 AND 3", table)
    >>> condition.rows(table).tolist(), condition.sql
    ([False, True, True], "`brand` <> 'A' OR `price` BETWEEN 2 AND 3")
    """
    try:
        import sqlglot
        from sqlglot import errors, exp
    except ImportError:
        raise ValueError("conditions need the package sqlglot; run: pip install 'poeem-torch[products]'") from None
    if not text.strip():
        raise ValueError(f"where is empty; give a condition such as {EXAMPLE}")
    columns = [] if table is None else table.column_names
    try:
        parsed: Any = sqlglot.parse_one(text, dialect="postgres")
    except (errors.SqlglotError, RecursionError) as error:
        details = error.errors if isinstance(error, errors.ParseError) else []
        reason = " ".join(str(details[0]["description"] if details else error).split())[:200]
        raise ValueError(f"where (={text!r}) cannot be read ({reason}); write it as {EXAMPLE}") from None
    named = {name: name for name in columns}
    for column in parsed.find_all(exp.Column):
        named[column.name] = _column(column.name, columns)
        column.set("this", exp.to_identifier(named[column.name], quoted=True))
    expression = _Translation(text).boolean(parsed)
    # Lance quotes identifiers with backticks.
    return Condition(parsed.sql(dialect="mysql"), expression)


def _column(name: str, columns: list[str]) -> str:
    if name in columns:
        return name
    same = [column for column in columns if column.casefold() == name.casefold()]
    if len(same) == 1:
        return same[0]
    listed = ", ".join(columns) or "none"
    hint = "" if columns else "; train with an item table (--items) that has such columns"
    raise ValueError(f"where names a column {name!r} that the index does not have (columns: {listed}){hint}")


class _Translation:
    """From sqlglot's tree to an expression of pyarrow; anything that is not listed here is refused."""

    def __init__(self, text: str) -> None:
        self.text = text

    def boolean(self, node: Any) -> Any:
        from sqlglot import exp

        found = self._boolean(node)
        # "IS NOT NULL", "NOT IN" and "NOT BETWEEN": some versions of sqlglot have a Not around the node instead.
        return ~found if isinstance(node, exp.Is | exp.In | exp.Between) and node.args.get("negate") else found

    def _boolean(self, node: Any) -> Any:
        from sqlglot import exp

        if isinstance(node, exp.Paren):
            return self.boolean(node.this)
        if isinstance(node, exp.Not):
            return ~self.boolean(node.this)
        if isinstance(node, exp.And | exp.Or):
            left, right = self.boolean(node.left), self.boolean(node.right)
            return left & right if isinstance(node, exp.And) else left | right
        comparisons = {exp.EQ: "eq", exp.NEQ: "ne", exp.LT: "lt", exp.LTE: "le", exp.GT: "gt", exp.GTE: "ge"}
        if type(node) in comparisons:
            return getattr(operator, comparisons[type(node)])(self.value(node.left), self.value(node.right))
        if isinstance(node, exp.Between):
            value = self.value(node.this)
            return (value >= self.value(node.args["low"])) & (value <= self.value(node.args["high"]))
        if isinstance(node, exp.In) and node.expressions:
            # Not isin(), to which a missing value is an ordinary one: NOT IN would find it.
            value = self.value(node.this)
            return functools.reduce(operator.or_, [value == self.literal(option) for option in node.expressions])
        if isinstance(node, exp.Is) and isinstance(node.expression, exp.Null):
            return self.value(node.this).is_null()
        if isinstance(node, exp.Column):
            return self.value(node)  # a column of true and false
        raise self.refusal(node)

    def value(self, node: Any) -> Any:
        import pyarrow.compute as pc
        from sqlglot import exp

        if isinstance(node, exp.Paren):
            return self.value(node.this)
        if isinstance(node, exp.Column) and not node.table:
            return pc.field(node.name)
        return pc.scalar(self.literal(node))

    def literal(self, node: Any) -> Any:
        from sqlglot import exp

        text: Any = node.this

        if isinstance(node, exp.Neg) and isinstance(node.this, exp.Literal) and not node.this.is_string:
            return -self.literal(node.this)
        if isinstance(node, exp.Boolean):
            return bool(node.this)
        if isinstance(node, exp.Literal):
            if node.is_string:
                return text
            return int(text) if text.isdigit() else float(text)
        raise self.refusal(node)

    def refusal(self, node: Any) -> ValueError:
        return ValueError(
            f"where (={self.text!r}) has {node.sql()!r}, which is no comparison, IN, BETWEEN, IS NULL, AND, OR or NOT "
            f"of columns and values; write it as {EXAMPLE}, text in single quotes"
        )
