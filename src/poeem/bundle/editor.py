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
from poeem.bundle.manifest import ITEMS_FILE
from poeem.bundle.new_items import check_known, check_new_ids, check_new_vectors, check_unknown
from poeem.bundle.read import changed, changed_sha256, locate_bundle, read_contents, with_changes
from poeem.bundle.write import swap_in

if TYPE_CHECKING:
    import pyarrow as pa


class BundleEditor:
    """The only writer of a bundle. It encodes items by the bundle's own arrays, so the fingerprint stays the same.

    A change is on the disk when its method returns, as a record of ``changes.log`` in the bundle's folder. A change is
    applied as a whole or not at all: if the process dies, no change whose method has returned is lost. Bundles that are
    opened later contain it; bundles that are open already do not change. `compact` writes the changes of the log into
    the bundle's files.

    Args:
        path: the bundle's folder, or a run's folder with the bundle in ``bundle``.
    Raises:
        FileNotFoundError: there is no bundle.
        ValueError: the bundle is damaged, or another writer has it open.

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
            ids: integers or strings as in the bundle, ``(n,)``; all of them new.
            vectors: ``(n, dim)``, the output of the item tower.
            columns: the bundle's columns for the new items, n rows; None fills them with nulls.
        Raises:
            ValueError: an id exists already, is given twice or is of another type; a vector is not finite, is zero
                under ``cosine`` or has another width; or the columns do not fit. Nothing has changed then.
            OSError: the change could not be written. Nothing has changed then.
        """
        rows = self._rows()
        named = check_new_ids(ids, string_ids=self._base.string_ids)
        check_unknown(named, rows)
        self._make(Change(added=self._coded(named, vectors, matching_columns(columns, rows.schema, len(named)))))

    def replace(self, ids: Any, vectors: Any) -> None:
        """Give items new vectors. They keep their position and their columns.

        Args:
            ids: ids of items in the bundle, ``(n,)``.
            vectors: ``(n, dim)``, the output of the item tower.
        Raises:
            ValueError: an id is unknown, is given twice or is of another type, or a vector is wrong as for `add`.
                Nothing has changed then.
            OSError: the change could not be written. Nothing has changed then.
        """
        named = check_new_ids(ids, string_ids=self._base.string_ids)
        check_known(named, self._rows())
        self._make(Change(replaced=self._coded(named, vectors, None)))

    def upsert(self, ids: Any, vectors: Any, columns: pa.Table | None = None) -> int:
        """Add the items that are new and replace those that exist, as one change.

        Args:
            ids: integers or strings as in the bundle, ``(n,)``.
            vectors: ``(n, dim)``, the output of the item tower.
            columns: the bundle's columns, n rows, also for items that exist; those then move to the end of the rows.
                None: items that exist keep their columns, new ones get nulls.
        Returns:
            number of items that are new.
        Raises:
            ValueError: an id is given twice or is of another type, or a vector or the columns are wrong as for `add`.
                Nothing has changed then.
            OSError: the change could not be written. Nothing has changed then.
        """
        rows = self._rows()
        named = check_new_ids(ids, string_ids=self._base.string_ids)
        known = [one for one in named if one in rows]
        if columns is not None:
            added = self._coded(named, vectors, matching_columns(columns, rows.schema, len(named)))
            self._make(Change(deleted=known, added=added))
            return len(named) - len(known)
        coded, kept = self._coded(named, vectors, None), set(known)
        old = [place for place, one in enumerate(named) if one in kept]
        new = [place for place, one in enumerate(named) if one not in kept]
        added = coded.take(new, matching_columns(None, rows.schema, len(new))) if new else None
        self._make(Change(replaced=coded.take(old) if old else None, added=added))
        return len(new)

    def delete(self, ids: Any) -> None:
        """Delete items.

        Raises:
            ValueError: an id is unknown, is given twice or is of another type, or no item would be left. Nothing has
                changed then.
            OSError: the change could not be written. Nothing has changed then.
        """
        named = check_new_ids(ids, string_ids=self._base.string_ids)
        rows = self._rows()
        unknown = [one for one in named if one not in rows]
        if unknown:
            raise ValueError(f"ids: {unknown[0]!r} is not among the items ({len(unknown)} unknown); leave it out")
        self._make(Change(deleted=named))

    def apply(self, delta: str | Path) -> int:
        """Apply a delta of `poeem.bundle.delta.write_delta` as one change.

        Args:
            delta: the file.
        Returns:
            number of rows that were added, replaced and deleted; 0 if the bundle has the new rows already.
        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the delta is of another training, or starts from other rows. Nothing has changed then.
            OSError: the change could not be written. Nothing has changed then.
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
        """Write the changes of the log into the bundle's files, in one swap; without changes write nothing.

        Returns:
            the bundle, without pending changes.
        Raises:
            OSError: the files could not be written. The bundle and its log are as before.
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
        """The bundle as it is now. Later changes do not affect the returned object."""
        rows = self._rows()
        if self._pending and self._snapshot is None:
            assert self._log is not None
            self._snapshot = with_changes(self._base, rows, self._log.digest, self._pending)
        return self._snapshot if self._snapshot is not None else self._base

    @property
    def items_sha256(self) -> str:
        """Checksum of the rows as they are now: that of ``bundle.files["items.parquet"]``, without making a bundle."""
        self._rows()
        assert self._log is not None
        return changed_sha256(self._base, self._log.digest) if self._pending else self._base.files[ITEMS_FILE].sha256

    @property
    def pending(self) -> int:
        """Number of changes in the log since the last `compact`."""
        return self._pending

    def close(self) -> None:
        """Release the lock. Pending changes stay in the log. A second call has no effect."""
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
