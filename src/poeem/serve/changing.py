"""Changing: the only writer of the items in service, first on the disk, then in memory; and the swap of versions."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from poeem.bundle.editor import BundleEditor
from poeem.bundle.lock import BundleLocked
from poeem.serve.refusal import Refusal
from poeem.serve.version import Version, open_version, with_rows

if TYPE_CHECKING:
    import pyarrow as pa

# Without a change for so long, the bundle is closed, so that another process can change it.
IDLE_SECONDS = 30.0


class Changing:
    """Changes and swaps of the version in service, one at a time. Its methods wait for the disk: call them in a thread.

    Args:
        version: the version in service at first.
        engine: name of the engine, for further versions.
        nprobe: lists visited by default in further versions; None: their runs'.
        log: called with an event and facts about it.
    """

    def __init__(self, version: Version, engine: str, nprobe: int | None, log: Callable[..., object]) -> None:
        #: The version in service. A request reads it once.
        self.version = version
        self._engine, self._nprobe, self._log = engine, nprobe, log
        self._root = version.folder.resolve().parent
        self._one = threading.Lock()
        self._editor: BundleEditor | None = None
        self._last = 0.0

    def write(self, ids: list[Any], vectors: np.ndarray, columns: pa.Table | None) -> tuple[int, Version]:
        """Add or replace items. They are on the disk and in the index when this method returns.

        Returns:
            number of items that are new, and the version with the items.
        Raises:
            ValueError: see `BundleEditor.upsert`. Nothing has changed then.
            Refusal: another process changes the bundle.
        """
        with self._one:
            editor = self._opened()
            added = editor.upsert(ids, vectors, columns)
            self._follow(lambda version: version.write(ids, vectors, columns, editor.items_sha256))
            return added, self.version

    def delete(self, id: Any) -> Version:
        """Delete an item, as `write`.

        Returns:
            the version without the item.
        Raises:
            Refusal: there is no such item, or it is the last one.
        """
        with self._one:
            editor = self._opened()
            if id not in editor:
                raise Refusal(404, f"id (={id!r}) is not among the {len(editor):,} items", "id")
            editor.delete([id])
            self._follow(lambda version: version.delete([id], editor.items_sha256))
            return self.version

    def swap(self, path: str | None, fingerprint: str | None) -> Version:
        """Open a version, and put it in the place of the one in service, which answers until then.

        Args:
            path: folder beside the one in service; None reads the served one again.
            fingerprint: the fingerprint that it must have; None: that of the version in service.
        Raises:
            Refusal: the folder is not allowed, has no bundle, or has another fingerprint. Nothing has changed then.
        """
        with self._one:
            started, old = time.perf_counter(), self.version
            folder = old.folder if path is None else self._allowed(path)
            wanted = fingerprint or old.fingerprint
            try:
                new = open_version(folder, engine=self._engine, nprobe=self._nprobe, revision=old.revision + 1)
            except (FileNotFoundError, ValueError) as error:
                raise Refusal(422, f"path (={path!r}) cannot be served: {error}", "path") from None
            if new.fingerprint != wanted:
                raise Refusal(
                    409,
                    f"path (={path!r}) has the fingerprint {new.fingerprint}, not {wanted}; to serve another training, "
                    "give its fingerprint as 'fingerprint'",
                    "fingerprint",
                )
            self._close()
            self.version = new
            self._log("swap", path=str(folder), revision=new.revision, rows=len(new), fingerprint=new.fingerprint,
                      seconds=round(time.perf_counter() - started, 3))  # fmt: skip
            return new

    def close_if_idle(self) -> None:
        """Close the bundle if it has not been changed for `IDLE_SECONDS`."""
        if self._editor is not None and time.monotonic() - self._last > IDLE_SECONDS and self._one.acquire(False):
            try:
                self._close()
            finally:
                self._one.release()

    def close(self) -> None:
        """Wait for a change at work, and release the bundle."""
        with self._one:
            self._close()

    def _opened(self) -> BundleEditor:
        """The editor of the served bundle; the version in service has its items."""
        self._last = time.monotonic()
        if self._editor is None:
            try:
                self._editor = BundleEditor(self.version.folder)
            except BundleLocked as error:
                raise Refusal(409, str(error), retry_after=1) from None
            if self._editor.bundle.fingerprint != self.version.fingerprint:
                self._close()
                raise Refusal(
                    409, "the bundle in the folder is of another training than the one in service; swap first"
                )
            if self._editor.items_sha256 != self.version.items_sha256:
                # Another process has changed the items.
                self.version = with_rows(self.version, self._editor.bundle, self._engine)
        return self._editor

    def _follow(self, change: Callable[[Version], None]) -> None:
        """Make a change of the disk in memory too; where that fails, build the index again."""
        assert self._editor is not None
        try:
            change(self.version)
        except Exception as error:
            self._log("rebuild", reason=f"{type(error).__name__}: {error}")
            self.version = with_rows(self.version, self._editor.bundle, self._engine)

    def _close(self) -> None:
        if self._editor is not None:
            self._editor.close()
            self._editor = None

    def _allowed(self, path: str) -> Path:
        """A folder beside the served one: nobody may open other files through the server."""
        # A path with a zero byte is none.
        folder = self._root if "\0" in path else (self._root / path).resolve()
        if self._root not in folder.parents:
            raise Refusal(
                422, f"path (={path!r}) must lie in {str(self._root)!r}, where the served folder lies", "path"
            )
        return folder
