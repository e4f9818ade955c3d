"""Write the rows of a Lance dataset from a bundle and its items' vectors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from poeem.bundle.bundle import Bundle
from poeem.engines.lance.install import import_lance
from poeem.engines.lance.layout import CODE, ID, LIST, VECTOR
from poeem.engines.lance.sidecar import schema_metadata, write_arrays
from poeem.engines.lance.trained_index import Trained
from poeem.functional.packing import pack_codes, packed_width

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS_AT_ONCE = 65536


def write_rows(bundle: Bundle, vectors: np.ndarray, folder: Path, trained: Trained) -> Any:
    """Write the rows of a dataset, and the trained arrays, into an empty folder.

    Args:
        bundle: the bundle to write.
        vectors: float ``(n, dim)``, in the bundle's order; may be mapped from a file.
        folder: the dataset's folder, empty.
        trained: the bundle's trained index.
    Returns:
        the ``lance.LanceDataset``, still without an index.
    """
    import pyarrow as pa

    schema = dataset_schema(bundle, trained)
    rows = pa.RecordBatchReader.from_batches(schema, _rows(bundle, vectors, schema, trained))
    dataset = import_lance().write_dataset(rows, str(folder), mode="create")
    write_arrays(bundle.arrays, folder, trained.facts)
    return dataset


def dataset_schema(bundle: Bundle, trained: Trained) -> pa.Schema:
    """Return the schema of the dataset.

    Its columns are ``id`` (int64 or string), the user's columns, ``list`` if the index has lists, ``code`` (packed as
    in a bundle) and ``vector``. The index is built from ``list`` and ``code``; rows that other tools added may lack
    them.
    """
    import pyarrow as pa

    spec = trained.spec
    fields = [
        pa.field(ID, pa.string() if bundle.string_ids else pa.int64(), nullable=False),
        *([] if bundle.columns is None else bundle.columns.schema),
        *([pa.field(LIST, pa.int32())] if spec.nlist else []),
        pa.field(CODE, pa.binary(packed_width(spec.M, spec.nbits))),
        pa.field(VECTOR, pa.list_(pa.float32(), trained.width), nullable=False),
    ]
    return pa.schema(fields, metadata=schema_metadata(trained.facts))


def code_columns(codes: np.ndarray, lists: np.ndarray | None, nbits: int) -> dict[str, pa.Array]:
    """Return the columns ``code`` and ``list`` of rows, by name; without ``list`` if ``lists`` is None."""
    import pyarrow as pa

    packed = np.ascontiguousarray(pack_codes(codes, nbits))
    buffers = [None, pa.py_buffer(packed.tobytes())]
    columns = {CODE: pa.Array.from_buffers(pa.binary(packed.shape[1]), len(packed), buffers)}
    return columns if lists is None else {**columns, LIST: pa.array(lists.astype(np.int32))}


def vector_array(vectors: np.ndarray) -> pa.FixedSizeListArray:
    """Return float32 vectors ``(n, width)`` as an arrow array of fixed-size lists."""
    import pyarrow as pa

    return pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(vectors).ravel()), vectors.shape[1])


def _rows(bundle: Bundle, vectors: np.ndarray, schema: pa.Schema, trained: Trained) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    for first in range(0, len(bundle), _ROWS_AT_ONCE):
        rows = slice(first, min(first + _ROWS_AT_ONCE, len(bundle)))
        lists = None if bundle.lists is None else bundle.lists[rows]
        given: dict[str, Any] = code_columns(bundle.codes[rows], lists, bundle.spec.nbits)
        given[ID] = pa.array(bundle.ids[rows].tolist() if bundle.string_ids else bundle.ids[rows])
        given[VECTOR] = vector_array(trained.stored(trained.rotated(vectors[rows])))
        if bundle.columns is not None:
            some = bundle.columns.slice(first, rows.stop - first).combine_chunks()
            # Of an empty chunked column nothing would be left to take.
            given |= {name: some[name].chunk(0) for name in some.column_names}
        yield pa.RecordBatch.from_arrays([given[name] for name in schema.names], schema=schema)
