"""Binary bodies: vectors of ``.npy`` and Arrow streams, checked before anything is allocated."""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from poeem.data.npy_file import DAMAGED
from poeem.serve.refusal import Refusal

if TYPE_CHECKING:
    import pyarrow as pa

NPY, ARROW = "application/x-npy", "application/vnd.apache.arrow.stream"


def read_npy(body: bytes) -> np.ndarray:
    """Read the numbers of a ``.npy`` file, at most as many as its bytes hold.

    Raises:
        Refusal: it is damaged, or holds no numbers.
    """
    stream = io.BytesIO(body)
    try:
        version = np.lib.format.read_magic(stream)
        if version != (1, 0):
            raise ValueError(f"version {version} is not 1.0")
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    except DAMAGED as error:
        raise Refusal(422, f"body is no .npy file of version 1.0 ({error})", "body") from None
    data = memoryview(body)[stream.tell() :]
    if dtype.kind not in "fiu" or dtype.hasobject or fortran:
        raise Refusal(422, f"body has dtype={dtype}, fortran_order={fortran}; give numbers in C order", "body")
    # Exact integers: numpy's would overflow.
    size = dtype.itemsize
    for length in shape:
        size *= length
    if size != len(data):
        raise Refusal(422, f"body of shape {shape} must have {size} bytes after its header, not {len(data)}", "body")
    return np.frombuffer(data, dtype).reshape(shape)


def read_arrow(body: bytes) -> pa.Table:
    """Read the table of an Arrow stream, which must not be compressed nor have dictionaries.

    Raises:
        Refusal: it is damaged, compressed, or has dictionaries.
    """
    import pyarrow as pa

    try:
        with pa.ipc.open_stream(body) as reader:
            schema = reader.schema
        for field in schema:
            if pa.types.is_dictionary(field.type) or pa.types.is_run_end_encoded(field.type):
                raise Refusal(422, f"column {field.name!r} is of type {field.type}; write plain columns", field.name)
        messages = pa.ipc.MessageReader.open_stream(body)
        messages.read_next_message()
        for message in messages:
            # A few compressed bytes could stand for all memory.
            if message.type != "record batch" or _is_compressed(message.metadata.to_pybytes()):
                raise Refusal(422, "body must be an Arrow stream without compression and dictionaries", "body")
        with pa.ipc.open_stream(body) as reader:
            table = reader.read_all()
        table.validate(full=True)
    except (pa.ArrowException, OSError, struct.error, EOFError, ValueError, TypeError) as error:
        raise Refusal(422, f"body is no Arrow stream ({' '.join(str(error).split())[:200]})", "body") from None
    return table


def vectors_of(column: Any, name: str) -> np.ndarray:
    """Return the vectors of a column of lists of numbers: ``(n, width)``.

    Raises:
        Refusal: it holds something else, a missing value, or lists of different lengths.
    """
    import pyarrow as pa

    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    kind = array.type
    lists = pa.types.is_fixed_size_list(kind) or pa.types.is_list(kind) or pa.types.is_large_list(kind)
    if not lists or not (pa.types.is_floating(kind.value_type) or pa.types.is_integer(kind.value_type)):
        raise Refusal(422, f"{name} must be lists of numbers, not {kind}", name)
    values = array.flatten()
    if array.null_count or values.null_count:
        raise Refusal(422, f"{name} has missing values; give every row a vector", name)
    if not len(array) or len(values) % len(array) or len(set(array.value_lengths().to_pylist())) > 1:
        raise Refusal(422, f"{name} must be lists of one length, one at least", name)
    return values.to_numpy(zero_copy_only=False).reshape(len(array), -1)


def write_arrow(table: pa.Table) -> bytes:
    """Return the bytes of an Arrow stream."""
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def _is_compressed(metadata: bytes) -> bool:
    """Whether a record batch names a codec: field 3 of its flatbuffers table, see Arrow's ``Message.fbs``.

    >>> import pyarrow as pa
    >>> def metadata(codec):
    ...     sink, batch = pa.BufferOutputStream(), pa.record_batch({"a": [1.0] * 1000})
    ...     with pa.ipc.new_stream(sink, batch.schema, options=pa.ipc.IpcWriteOptions(compression=codec)) as writer:
    ...         writer.write_batch(batch)
    ...     return list(pa.ipc.MessageReader.open_stream(sink.getvalue()))[1].metadata.to_pybytes()
    >>> _is_compressed(metadata(None)), _is_compressed(metadata("lz4"))
    (False, True)
    """
    message = struct.unpack_from("<I", metadata)[0]
    header = _field(metadata, message, 2)
    if not header:
        return False
    batch = header + struct.unpack_from("<I", metadata, header)[0]
    return _field(metadata, batch, 3) != 0


def _field(data: bytes, table: int, number: int) -> int:
    """Place of a field of a flatbuffers table; 0 if it is absent."""
    names = table - struct.unpack_from("<i", data, table)[0]
    if struct.unpack_from("<H", data, names)[0] < 4 + 2 * (number + 1):
        return 0
    offset = struct.unpack_from("<H", data, names + 4 + 2 * number)[0]
    return table + offset if offset else 0
