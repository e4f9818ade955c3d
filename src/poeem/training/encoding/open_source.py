"""EncodeJob: what is encoded by which index; it opens the source in every process that takes part."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from poeem.bundle import Bundle, open_bundle
from poeem.data.list_column import is_vector
from poeem.data.tables import parquet_files
from poeem.training.encoding.other_sources import ModelSource, NpySource
from poeem.training.encoding.parquet_source import ParquetSource, parquet_vectors, schema_of
from poeem.training.encoding.source import Source
from poeem.training.load import load_run
from poeem.training.recipes.recipe import Run
from poeem.training.run_folder import RunFolder


@runtime_checkable
class ReadsParquet(Protocol):
    """Protocol of a run whose model encodes new items of Parquet files, such as texts."""

    def parquet_items(self, files: list[Path]) -> ParquetSource:
        """Return a source of items whose vectors the model computes."""
        ...


@dataclass(frozen=True)
class EncodeJob:
    """What is encoded. Processes and machines get it as it is.

    Args:
        folder: of the run, fit or bundle.
        items: file, folder or glob.
        column: column of the vectors in Parquet files; None: see `open_source`.
        device: where codes are computed.
        out: folder of the parts.
        rows_a_part: rows per part.
    """

    folder: Path
    items: Path
    column: str | None
    device: str
    out: Path
    rows_a_part: int


def open_owner(folder: Path, device: str) -> Run | Bundle:
    """Load the run of a folder, or the bundle of a fit or of a folder without a model."""
    run = RunFolder(folder)
    trained = run.model.exists() or run.checkpoints.exists()
    return load_run(folder, device) if trained else open_bundle(folder)


def open_source(owner: Run | Bundle, items: Path, column: str | None) -> Source:
    """Open the items to encode.

    A ``.npy`` file and Parquet files with a column of float lists hold vectors. Parquet files of texts are encoded by a
    run of pairs, a few rows at a time. Other files are read by the run, as a whole.

    Args:
        owner: a run, or a bundle, which encodes vectors only.
        items: a file, a folder of Parquet files or a glob.
        column: column of the vectors in Parquet files; default the only one that holds lists of floats.
    Raises:
        ValueError: the items cannot be read.
    """
    bundle = owner if isinstance(owner, Bundle) else owner.bundle
    files = parquet_files(items)
    if files is None and column is not None:
        raise ValueError(f"column (={column!r}) is for Parquet files, and {items} is not one; leave it out")
    if items.suffix == ".npy" or (files is None and isinstance(owner, Bundle)):
        return NpySource(items, bundle.dim)
    if files is None:
        return ModelSource(owner, items)  # pyright: ignore[reportArgumentType]
    kinds = [field.type for field in schema_of(files[0])]
    if isinstance(owner, Bundle) or column is not None or any(map(is_vector, kinds)):
        return parquet_vectors(files, bundle.dim, column)
    return owner.parquet_items(files) if isinstance(owner, ReadsParquet) else ModelSource(owner, items)
