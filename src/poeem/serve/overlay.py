"""Overlay: the items that were changed after the bundle was opened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa


class Overlay:
    """Items that were written or deleted after the bundle was opened. Only the holder of a `Gate` may change it.

    Args:
        schema: Arrow schema of the bundle's columns; None if there are none.
    """

    def __init__(self, schema: pa.Schema | None) -> None:
        self._schema = schema
        #: Vectors of the written items, by id, each float32 ``(dim,)``.
        self.vectors: dict[Any, np.ndarray] = {}
        #: Columns of the written items whose columns are not the bundle's, by id.
        self.columns: dict[Any, dict[str, Any]] = {}
        self.deleted: set[Any] = set()

    def __bool__(self) -> bool:
        return bool(self.vectors or self.deleted)

    def __contains__(self, id: Any) -> bool:
        return id in self.vectors or id in self.deleted

    def write(self, ids: list[Any], vectors: np.ndarray, columns: pa.Table | None) -> None:
        """Note written items.

        Args:
            ids: their ids.
            vectors: float32, ``(n, dim)``.
            columns: their columns; None: those that they had, nulls for new ones.
        """
        self.vectors |= zip(ids, vectors)
        # A deleted item that comes again has no columns.
        self.columns |= {id: {} for id in ids if id in self.deleted}
        if columns is not None:
            self._schema = self._schema or columns.schema
            self.columns |= zip(ids, columns.to_pylist())
        self.deleted.difference_update(ids)

    def delete(self, ids: list[Any]) -> None:
        """Note deleted items."""
        for id in ids:
            self.vectors.pop(id, None)
            self.columns.pop(id, None)
        self.deleted.update(ids)

    def table(self, ids: list[Any], base: Any) -> pa.Table | None:
        """Return the columns of written items; None if there are none.

        Args:
            ids: ids in ``vectors``.
            base: function from an id to its columns in the bundle, ``{}`` if it is not there.
        """
        import pyarrow as pa

        if self._schema is None:
            return None
        rows = [self.columns[id] if id in self.columns else base(id) for id in ids]
        columns = {name: [row.get(name) for row in rows] for name in self._schema.names}
        return pa.table({field.name: pa.array(columns[field.name], field.type) for field in self._schema})
