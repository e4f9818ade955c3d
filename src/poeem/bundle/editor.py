"""BundleEditor: add, replace and delete items of a bundle that is in service."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from poeem.bundle.atomic import recover
from poeem.bundle.bundle import Bundle
from poeem.bundle.catalogue import matching_columns
from poeem.bundle.change_log import LogWriter
from poeem.bundle.changes import Change, CodedRows
from poeem.bundle.delta import read_delta
from poeem.bundle.encoder import Encoder
from poeem.bundle.lock import WriterLock
from poeem.bundle.new_items import check_known, check_new_ids, check_new_vectors, check_unknown
from poeem.bundle.read import changed, locate_bundle, read_contents, with_changes
from poeem.bundle.write import swap_in

if TYPE_CHECKING:
    import pyarrow as pa


class BundleEditor:
    """The one writer of a bundle; items are encoded by the bundle's own arrays, and its fingerprint stays.

    A change is on the disk when its method returns, as a record of ``changes.log`` in the bundle's folder. It is
    applied as a whole or not at all: if the process dies, no change whose method has returned is lost. Bundles that are
    opened later contain it; bundles that are open already do not change. `compact` folds the log into the bundle's
    files.

    Args:
        path: the bundle's folder, or a run's folder that holds it as ``bundle``.
    Raises:
        FileNotFoundError: there is no bundle.
        ValueError: it is damaged, or another writer has it open.

    Use it as a context manager, or call `close`::

        with BundleEditor("runs/shop") as editor:
            editor.add([7001, 7002], vectors)
            editor.delete([17])
            editor.compact()
    """

    def __init__(self, path: str | Path) -> None:
        self.path = locate_bundle(path)
        self._log: LogWriter | None = None
        self._lock: WriterLock | None = WriterLock(self.path)
        try:
            self._load()
        except BaseException:
            self.close()
            raise

    def __len__(self) -> int:
        return len(self._rows())

    def __contains__(self, one: Any) -> bool:
        return one in self._rows()

    def add(self, ids: Any, vectors: Any, columns: pa.Table | None = None) -> None:
        """Add items.

        Args:
            ids: integers or strings as in the bundle, ``(n,)``, none of which is there.
            vectors: ``(n, dim)``, the output of the item tower.
            columns: what the bundle keeps beside its ids, n rows; None fills those columns with nulls.
        Raises:
            ValueError: an id is there already, there twice or of another type; a vector is not finite, zero under
                ``cosine`` or of another width; or the columns are not the bundle's. Nothing has changed then.
            OSError: the change could not be written; it has not happened.
        """
        rows = self._rows()
        named = check_new_ids(ids, string_ids=self._base.string_ids)
        check_unknown(named, rows)
        self._make(Change(added=self._coded(named, vectors, matching_columns(columns, rows.schema, len(named)))))

    def replace(self, ids: Any, vectors: Any) -> None:
        """Give items other vectors; they keep their places and their columns.

        Raises:
            ValueError: an id is not there, or as for `add`. Nothing has changed then.
            OSError: the change could not be written; it has not happened.
        """
        named = check_new_ids(ids, string_ids=self._base.string_ids)
        check_known(named, self._rows())
        self._make(Change(replaced=self._coded(named, vectors, None)))

    def delete(self, ids: Any) -> None:
        """Delete items.

        Raises:
            ValueError: an id is not there, there twice or of another type, or no item would be left. Nothing has
                changed then.
            OSError: the change could not be written; it has not happened.
        """
        named = check_new_ids(ids, string_ids=self._base.string_ids)
        rows = self._rows()
        unknown = [one for one in named if one not in rows]
        if unknown:
            raise ValueError(f"ids: {unknown[0]!r} is not among the items ({len(unknown)} unknown); leave it out")
        self._make(Change(deleted=named))

    def apply(self, delta: str | Path) -> int:
        """Apply what `poeem.bundle.delta.write_delta` wrote against these rows, at once; again is harmless.

        Args:
            delta: the file.
        Returns:
            rows that were added, replaced and deleted.
        Raises:
            FileNotFoundError: there is no such file.
            ValueError: it is of another training, or the difference to other rows. Nothing has changed then.
            OSError: the change could not be written; it has not happened.
        """
        rows = self._rows()
        change = read_delta(delta, self.bundle)
        if change is None:
            return 0
        if change.added is not None:
            columns = matching_columns(change.added.columns, rows.schema, len(change.added))
            change = replace(change, added=replace(change.added, columns=columns))
        self._make(change)
        return len(change.deleted) + len(change.replaced or ()) + len(change.added or ())

    def compact(self) -> Bundle:
        """Write the changes of the log into the bundle's files, in one swap; without changes nothing is written.

        Raises:
            OSError: it could not be written; the bundle and its log are as before.
        """
        rows = self._rows()
        if not self._pending:
            return self._base
        base = self._base
        # After an interrupted swap this log may belong to the old bundle: it is read again before use.
        self._close_log()
        try:
            swap_in(
                self.path,
                spec=base.spec,
                metric=base.metric,
                dim=base.dim,
                arrays=base.arrays,
                items=rows.items(),
                training=base.training,
            )
        except BaseException:
            # Readers do not finish the swap of a live writer.
            with suppress(OSError):
                recover(self.path)
            raise
        self._load()
        return self._base

    @property
    def bundle(self) -> Bundle:
        """The bundle as it is now; later changes do not touch it."""
        rows = self._rows()
        if self._pending and self._snapshot is None:
            assert self._log is not None
            self._snapshot = with_changes(self._base, rows, self._log.digest, self._pending)
        return self._snapshot if self._snapshot is not None else self._base

    @property
    def pending(self) -> int:
        """Changes in the log, since the last `compact`."""
        return self._pending

    def close(self) -> None:
        """Release the lock; pending changes stay in the log. Closing again has no effect."""
        self._close_log()
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def __enter__(self) -> BundleEditor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @cached_property
    def _encoder(self) -> Encoder:
        return Encoder(self._base)

    def _coded(self, ids: list[Any], vectors: Any, columns: pa.Table | None) -> CodedRows:
        base = self._base
        checked = check_new_vectors(vectors, rows=len(ids), dim=base.dim, metric=base.metric)
        codes, lists = self._encoder.encode(checked)
        return CodedRows(ids, codes, lists, columns)

    def _make(self, change: Change) -> None:
        """Append a change to the log, then apply it in memory."""
        rows = self._rows()
        rows.check(change)
        payload = change.to_bytes()
        log, self._log = self._log, None
        assert log is not None
        try:
            log.append(payload)
        except OSError:
            self._log = log  # the record has been taken back
            raise
        except BaseException:
            # After Ctrl-C, for instance, only the folder shows what has happened: it is read again.
            log.close()
            raise
        rows.apply(change)
        self._pending += 1
        self._snapshot = None
        self._log = log

    def _rows(self):
        """The present rows; read again after an interruption."""
        if self._lock is None:
            raise ValueError(f"the editor of bundle {str(self.path)!r} is closed; open another one")
        if self._log is None:
            self._load()
        return self._catalogue

    def _load(self) -> None:
        recover(self.path)
        contents = read_contents(self.path)
        self._base = contents.bundle
        self._catalogue = changed(contents)
        self._pending = len(contents.changes)
        self._snapshot: Bundle | None = None
        self._log = LogWriter(self.path, contents.base, contents.log)

    def _close_log(self) -> None:
        if self._log is not None:
            self._log.close()
            self._log = None
