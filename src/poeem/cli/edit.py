"""``poeem add``, ``replace``, ``delete``, ``apply`` and ``compact``: change the items of an index in service."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from poeem.cli.options import Json, RunFolder
from poeem.cli.output import print_json, say

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from poeem.bundle import BundleEditor

Vectors = Annotated[
    Path,
    typer.Option(
        metavar="FILE",
        help="Vectors as the item tower gives them: .npy, or .parquet with --column. For a run of images also an image "
        "file or a folder of them; for a run of texts also .jsonl, .csv or .parquet with a column item of texts.",
    ),
]
Ids = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Ids: .txt (one per line), or .parquet or .csv with a column id; default: that of a Parquet --items.",
        show_default=False,
    ),
]
Column = Annotated[
    str | None, typer.Option(help="Column of the vectors in a Parquet file, if it has several.", show_default=False)
]


def add(folder: RunFolder, items: Vectors, ids: Ids = None, column: Column = None, json: Json = False) -> None:
    """Add items, encoded as in training. Other columns of the table of ids, such as titles, are added too."""
    with _editor(folder) as editor:
        table, vectors = _read_items(folder, editor, items, ids, column)
        columns = table.drop_columns(["id"]) if table.num_columns > 1 else None
        editor.add(table["id"], vectors, columns=columns)
        _report(editor, "added", table.num_rows, json)


def replace(folder: RunFolder, items: Vectors, ids: Ids = None, column: Column = None, json: Json = False) -> None:
    """Replace the vectors of items; titles and other columns stay."""
    with _editor(folder) as editor:
        table, vectors = _read_items(folder, editor, items, ids, column)
        editor.replace(table["id"], vectors)
        _report(editor, "replaced", table.num_rows, json)


def delete(
    folder: RunFolder,
    ids: Annotated[
        Path, typer.Option(metavar="FILE", help="Ids: .txt (one per line), or .parquet or .csv with a column id.")
    ],
    json: Json = False,
) -> None:
    """Delete items."""
    from poeem.data.id_file import read_id_file

    with _editor(folder) as editor:
        table = read_id_file(ids, string_ids=editor.bundle.string_ids)
        editor.delete(table["id"])
        _report(editor, "deleted", table.num_rows, json)


def apply(
    folder: RunFolder,
    delta: Annotated[Path, typer.Option(metavar="FILE.parquet", help="File that poeem export --delta wrote.")],
    json: Json = False,
) -> None:
    """Apply a delta to the older version that it was made from. A second time changes nothing."""
    with _editor(folder) as editor:
        _report(editor, "applied", editor.apply(delta), json)


def compact(folder: RunFolder, json: Json = False) -> None:
    """Write the changes in the log into the files of the index."""
    with _editor(folder) as editor:
        changes = editor.pending
        editor.compact()
        _report(editor, "compacted", changes, json)


def _editor(folder: Path) -> BundleEditor:
    from poeem.bundle import BundleEditor

    return BundleEditor(folder)


def _read_items(
    folder: Path, editor: BundleEditor, items: Path, ids: Path | None, column: str | None
) -> tuple[pa.Table, np.ndarray]:
    """A table of ids with their columns, and the vectors."""
    from poeem.data.id_file import read_id_file
    from poeem.data.images.decode import SUFFIXES
    from poeem.data.pairs.text_pairs import holds_texts
    from poeem.data.tables import PARQUET_SUFFIXES
    from poeem.data.vectors import read_vectors

    bundle = editor.bundle
    if items.is_dir() or items.suffix.lower() in SUFFIXES or (column is None and holds_texts(items)):
        return _encoded_items(folder, items, ids)
    vectors = read_vectors(items, dim=bundle.dim, column=column)
    if ids is not None:
        return read_id_file(ids, string_ids=bundle.string_ids), vectors
    if items.suffix.lower() not in PARQUET_SUFFIXES:
        raise ValueError(f"{items}: holds vectors only; give their ids with --ids FILE")
    columns = [] if bundle.columns is None else bundle.columns.column_names
    table = read_id_file(items, string_ids=bundle.string_ids)
    return table.select(["id", *(name for name in columns if name in table.column_names)]), vectors


def _encoded_items(folder: Path, items: Path, ids: Path | None) -> tuple[pa.Table, np.ndarray]:
    """Items of image files or of a table of texts, encoded by the run's network."""
    from poeem.training.load import load_run

    if ids is not None:
        raise ValueError(
            f"--ids (={str(ids)!r}) goes with vectors; the ids of images are the names of their files, those of texts "
            "a column item_id"
        )
    if not (folder / "model").is_dir():
        raise ValueError(f"{str(folder)!r} has no model that encodes images or texts; give vectors, .npy or .parquet")
    run = load_run(folder)
    if not hasattr(run, "new_items"):
        raise ValueError(f"{str(folder)!r} is no run of images or texts; give vectors, .npy or .parquet")
    return run.new_items(items, say)


def _report(editor: BundleEditor, done: str, count: int, json: bool) -> None:
    facts: dict[str, Any] = {
        done: count,
        "items": len(editor),
        "pending": editor.pending,
        "fingerprint": editor.bundle.fingerprint,
        "path": str(editor.path),
    }
    if json:
        print_json(facts)
        return
    what = "changes" if done == "compacted" else "rows" if done == "applied" else "items"
    print(f"{editor.path}: {count:,} {what} {done}; {len(editor):,} items, {editor.pending:,} changes in the log")
