"""Create the IVF_PQ index of a dataset from trained arrays, lists and codes. Lance trains and encodes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from poeem.engines.lance.install import import_lance
from poeem.engines.lance.layout import CODE, INDEX, LIST, VECTOR, lance_metric
from poeem.engines.lance.trained_index import Trained
from poeem.functional.packing import unpack_codes

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS_AT_ONCE = 65536


def create_index(dataset: Any, trained: Trained, buffers: Path) -> None:
    """Index all rows of a dataset by their columns ``list`` and ``code``. An existing index is replaced.

    Lance would encode the stored vectors itself. Under ``dot`` it would also give new rows the codeword with the
    largest inner product, which is another code than ours. So lists and codes are passed as the buffers that Lance's
    own encoder on a GPU writes: ``row_id``, ``__ivf_part_id``, ``__pq_code`` in Lance's first file format. Then Lance
    trains nothing and reads no vector.

    Args:
        dataset: the ``lance.LanceDataset`` with all rows.
        trained: the trained index.
        buffers: an empty folder for a copy of the codes. The caller deletes it afterwards.
    """
    store = import_lance().write_dataset(_buffer(dataset, trained), str(buffers), data_storage_version="legacy")
    files = [file.path for fragment in store.get_fragments() for file in fragment.data_files()]
    dataset.create_index(
        VECTOR,
        "IVF_PQ",
        name=INDEX,
        metric=lance_metric(trained.spec, trained.facts.metric),
        num_partitions=len(trained.centroids),
        num_sub_vectors=trained.codewords,
        num_bits=trained.spec.nbits,
        ivf_centroids=trained.centroids,
        pq_codebook=trained.codebooks,
        replace=True,
        precomputed_shuffle_buffers=files,
        precomputed_shuffle_buffers_path=str(buffers / "data"),
    )


def _buffer(dataset: Any, trained: Trained) -> pa.RecordBatchReader:
    import pyarrow as pa

    width = trained.codewords * trained.spec.nbits // 8
    types = {"row_id": pa.uint64(), "__ivf_part_id": pa.uint32(), "__pq_code": pa.list_(pa.uint8(), width)}
    schema = pa.schema(list(types.items()))

    def batches() -> Iterator[pa.RecordBatch]:
        for numbers, codes, lists in _stored_codes(dataset, trained):
            packed = np.ascontiguousarray(trained.index_codes(codes, lists))
            parts = np.zeros(len(codes), np.uint32) if lists is None else lists.astype(np.uint32)
            values = pa.FixedSizeListArray.from_arrays(pa.array(packed.ravel()), width)
            yield pa.RecordBatch.from_arrays([pa.array(numbers), pa.array(parts), values], schema=schema)

    return pa.RecordBatchReader.from_batches(schema, batches())


def _stored_codes(dataset: Any, trained: Trained) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray | None]]:
    """Lance's number, code and list of every row, in blocks; rows that other tools have added are encoded here."""
    spec = trained.spec
    columns = [CODE, LIST] if spec.nlist else [CODE]
    lacking = " or ".join(f"{name} is null" for name in columns)
    for batch in _batches(dataset, columns, f"not ({lacking})"):
        codes = unpack_codes(_bytes(batch.column(CODE)), spec.M, spec.nbits)
        yield _numbers(batch), codes, np.array(batch.column(LIST)) if spec.nlist else None
    for batch in _batches(dataset, [VECTOR], lacking):
        vectors = batch.column(VECTOR).flatten().to_numpy().reshape(len(batch), trained.width)
        yield _numbers(batch), *trained.encode(vectors[:, : trained.facts.dim])


def _batches(dataset: Any, columns: list[str], filter: str) -> Iterator[pa.RecordBatch]:
    scanner = dataset.scanner(columns=columns, filter=filter, with_row_id=True, batch_size=_ROWS_AT_ONCE)
    return (batch for batch in scanner.to_batches() if batch.num_rows)


def _numbers(batch: pa.RecordBatch) -> np.ndarray:
    return batch.column("_rowid").to_numpy().astype(np.uint64)


def _bytes(array: Any) -> np.ndarray:
    """uint8 ``(n, width)`` of a column of fixed-size bytes without nulls."""
    width = array.type.byte_width
    values = np.frombuffer(array.buffers()[1], dtype=np.uint8)
    return values[array.offset * width : (array.offset + len(array)) * width].reshape(len(array), width)
