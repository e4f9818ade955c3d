"""Write a faiss file, and read one that may be damaged, hostile or not the one of its report."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poeem.bundle.block_checksums import damaged_block
from poeem.bundle.library_file import library_file
from poeem.bundle.regular_file import open_to_read
from poeem.data.checksum import file_sha256
from poeem.engines.faiss.index_parts import parts_of
from poeem.engines.faiss.redirect_stdout import prints_on_stderr
from poeem.engines.report import read_report, sidecar_of

if TYPE_CHECKING:
    import faiss

UNPROVEN = "the faiss file has no report beside it: nothing proves that it is whole"
# faiss's limits are of the whole process.
_LIMITS = threading.Lock()


def read_index(path: Path, *, memory_map: bool = False) -> faiss.Index:
    """Read a faiss file as `faiss.read_index` does, but with a one-line error.

    If the inverted lists are in a second file, it must be in the folder of ``path``. No array may be larger than the
    file, so that a damaged size does not fill the memory.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no regular file, no faiss index, or is damaged.
    """
    import faiss

    open_to_read(path).close()
    lists_apart = any(path.parent.glob("*.ivfdata"))
    # Tables are computed from what has been read: the limits of the file are not for them.
    flags = faiss.IO_FLAG_SKIP_PRECOMPUTE_TABLE | faiss.IO_FLAG_PQ_SKIP_SDC_TABLE
    flags |= (faiss.IO_FLAG_MMAP if memory_map else 0) | (faiss.IO_FLAG_ONDISK_SAME_DIR if lists_apart else 0)
    try:
        with _limited(path.stat().st_size), prints_on_stderr() if lists_apart else nullcontext():
            index = faiss.read_index(str(path), flags)
        inner = parts_of(index).inner
        if isinstance(inner, faiss.IndexIVFPQ | faiss.IndexIVFPQFastScan) and inner.by_residual:
            inner.precompute_table()
        return index
    except (RuntimeError, MemoryError) as error:
        with path.open("rb") as file:
            if file.read(2) == b"IB":
                raise ValueError(f"{str(path)!r} is a binary index of faiss; name one of float vectors") from None
        # Without the function of C++ and its line.
        reason = re.sub(r"^.*\.cpp:\d+: ", "", (str(error) or "out of memory").splitlines()[-1])
        raise ValueError(f"{str(path)!r} is no faiss index, or a damaged one ({reason}); export it again") from None


def write_index(index: faiss.Index, path: Path) -> None:
    """Write a faiss file as `faiss.write_index` does, but report a full disk.

    Raises:
        OSError: the file could not be written.
    """
    import faiss

    with library_file(path) as file:
        faiss.write_index(index, faiss.PyCallbackIOWriter(file.write))


def read_proof(path: Path, *, check: bool = True) -> dict[str, Any] | None:
    """Read the report beside a faiss file, and compare the file with it.

    Args:
        path: the faiss file.
        check: True compares size and SHA-256, which reads the whole file; False size and a sample of 16 blocks.
    Returns:
        the report's fields; None if there is no report.
    Raises:
        ValueError: the report is damaged, or the file is not the one of the report.
    """
    if not sidecar_of(path).exists():
        return None
    facts = read_report(path)
    if facts["bytes"] != path.stat().st_size:
        raise ValueError(
            f"{str(path)!r} is not the file that {sidecar_of(path).name} is about; export the bundle again"
        )
    compare = _check_sha256 if check else _check_blocks
    compare(path, facts["sha256" if check else "blocks"])
    lists = facts.get("lists_file")
    if lists is not None:
        compare(path.with_name(Path(str(lists)).name), facts.get("lists_sha256" if check else "lists_blocks"))
    return facts


def _check_sha256(path: Path, expected: Any) -> None:
    _check_there(path)
    if file_sha256(path) != expected:
        raise ValueError(
            f"{str(path)!r} is damaged, or not the file of its report (its SHA-256 differs); export the bundle again"
        )


def _check_blocks(path: Path, expected: Any) -> None:
    _check_there(path)
    try:
        at = damaged_block(path, str(expected))
    except ValueError as error:
        raise ValueError(f"{str(path)!r} is not the file of its report ({error}); export the bundle again") from None
    if at is not None:
        raise ValueError(
            f"{str(path)!r} is damaged, or not the file of its report (the block at byte {at:,} differs); export the "
            "bundle again"
        )


def _check_there(path: Path) -> None:
    if not path.is_file():
        raise ValueError(f"{str(path)!r} is missing; copy it from where it was exported, or export the bundle again")


@contextmanager
def _limited(size: int) -> Iterator[None]:
    """faiss refuses any array of more bytes than this (64 MiB in a small file), and any loop of more rounds.

    faiss counts ``dim * dim`` floats for a normalisation too, which stores none.
    """
    import faiss

    with _LIMITS:
        before = faiss.get_deserialization_vector_byte_limit(), faiss.get_deserialization_loop_limit()
        faiss.set_deserialization_vector_byte_limit(max(size, 2**26))
        faiss.set_deserialization_loop_limit(max(size, 1))
        try:
            yield
        finally:
            faiss.set_deserialization_vector_byte_limit(before[0])
            faiss.set_deserialization_loop_limit(before[1])


def check_dim_and_rows(path: Path, index: Any, facts: Mapping[str, Any]) -> None:
    """Raise a ValueError if an index has another width or number of rows than its report says."""
    if (index.d, index.ntotal) != (facts["dim"], facts["rows"]):
        raise ValueError(
            f"{str(path)!r} has dim={index.d} and {index.ntotal:,} rows, its report says dim={facts['dim']} and "
            f"{facts['rows']:,}; export the bundle again"
        )
