"""Add, replace and delete rows of an exported Lance dataset, and rebuild its index."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from poeem.bundle.atomic import staging
from poeem.engines.lance.build import code_columns, vector_array
from poeem.engines.lance.create_index import create_index
from poeem.engines.lance.install import import_lance
from poeem.engines.lance.layout import CODE, ID, LIST, VECTOR
from poeem.engines.lance.trained_index import Trained

if TYPE_CHECKING:
    import pyarrow as pa

_IDS_AT_ONCE = 1000
_OURS = (ID, LIST, CODE, VECTOR)


def new_rows(schema: pa.Schema, trained: Trained, ids: Any, vectors: Any, columns: pa.Table | None) -> pa.Table:
    """Encode new items, and return them as a table of the dataset's schema.

    Args:
        schema: the dataset's schema.
        trained: the dataset's trained index.
        ids: ``(n,)``, of the type in the schema.
        vectors: ``(n, dim)``, the output of the item tower.
        columns: the user's columns, n rows; None or a missing column gives nulls.
    Raises:
        ValueError: an id is of another type or given twice, a vector is not finite or is zero under ``cosine``, or a
            column is not in the dataset.
    """
    import pyarrow as pa

    column, facts = id_column(schema, ids), trained.facts
    if len(column.unique()) < len(column):
        raise ValueError(f"ids: {len(column) - len(column.unique())} of {len(column)} are there twice; give each once")
    rows = np.array(vectors, dtype=np.float32)
    if rows.shape != (len(column), facts.dim):
        raise ValueError(f"vectors must have shape ({len(column)}, {facts.dim}), one per id, not {rows.shape}")
    wrong = ~np.isfinite(rows).all(1) | ((facts.metric == "cosine") & ~rows.any(1))
    if wrong.any():
        raise ValueError(f"vectors: row {int(np.argmax(wrong))} is not finite, or zero under cosine; drop such rows")
    given = {} if columns is None else {name: columns[name] for name in columns.column_names}
    unknown = [name for name in given if name not in schema.names or name in _OURS]
    if unknown:
        known = [name for name in schema.names if name not in _OURS]
        raise ValueError(f"columns: the dataset has no {unknown[0]!r}; it has {', '.join(known) or 'none'}")
    if columns is not None and columns.num_rows != len(column):
        raise ValueError(f"columns have {columns.num_rows} rows for {len(column)} items; give one row per item")
    rotated = trained.rotated(rows)
    codes, lists = trained.encode(rotated)
    trained.index_codes(codes, lists)  # refuses now what a later rebuild could not take
    given |= {ID: column, VECTOR: vector_array(trained.stored(rotated))}
    given |= code_columns(codes, lists, trained.spec.nbits)
    nulls = {field.name: pa.nulls(len(column), field.type) for field in schema if field.name not in given}
    return pa.table({name: (given | nulls)[name] for name in schema.names}).cast(schema)


def id_column(schema: pa.Schema, ids: Any) -> pa.Array:
    """Return ids as an arrow array of the id type in a dataset's schema.

    Raises:
        ValueError: integers for a dataset with string ids, or the reverse.
    """
    import pyarrow as pa

    values = np.asarray(ids).ravel()
    id_type = schema.field(ID).type
    kinds, name = ("UO", "strings") if pa.types.is_string(id_type) else ("iu", "integers")
    if values.size and values.dtype.kind not in kinds:
        raise ValueError(f"ids must be {name} as in the dataset, not {values.dtype}")
    return pa.array(values.tolist(), id_type)


def add_rows(dataset: Any, rows: pa.Table) -> Any:
    """Add rows to a dataset, and return it, opened again. Raise a ValueError if an id is in it already."""
    merge = dataset.merge_insert(ID).when_matched_fail().when_not_matched_insert_all()
    try:
        merge.execute(rows)
    except OSError as error:
        if "found matching row" not in str(error):
            raise
        raise ValueError(
            f"ids: one is in the dataset already ({str(error).split(': ')[-1].split(',')[0]}); use upsert to replace"
        ) from None
    return _reopened(dataset)


def upsert_rows(dataset: Any, rows: pa.Table) -> Any:
    """Replace the rows whose ids are in the dataset, add the others, and return the dataset, opened again."""
    dataset.merge_insert(ID).when_matched_update_all().when_not_matched_insert_all().execute(rows)
    return _reopened(dataset)


def delete_rows(dataset: Any, ids: pa.Array) -> Any:
    """Delete the rows with these ids, and return the dataset, opened again. Unknown ids are ignored."""
    values = ids.to_pylist()
    for first in range(0, len(values), _IDS_AT_ONCE):
        dataset.delete(f"{ID} in ({', '.join(map(_literal, values[first : first + _IDS_AT_ONCE]))})")
    return _reopened(dataset)


def rebuild(dataset: Any, trained: Trained) -> Any:
    """Index all rows of a dataset again by their codes, and return the dataset, opened again."""
    path = Path(dataset.uri)
    # pylance 14 hangs when it indexes buffers of some 100,000 rows while deleted rows are still in the files.
    dataset.optimize.compact_files(materialize_deletions=True, materialize_deletions_threshold=0.0)
    dataset = _reopened(dataset)
    with staging(path.with_name(f"{path.name}.codes")) as buffers:
        create_index(dataset, trained, buffers)
    return _reopened(dataset)


def _literal(value: int | str) -> str:
    return str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"


def _reopened(dataset: Any) -> Any:
    return import_lance().dataset(dataset.uri)
