"""The log of changes that are acknowledged and not yet folded into a bundle's files.

``changes.log`` stands in the bundle's folder, so that the swap that brings the folded bundle takes the log away in the
same rename: there is no moment at which both or neither count. It is only ever appended to::

    header:  "poeemlog", version (u4), SHA-256 of manifest.json (32 bytes), digest of these (16 bytes)
    record:  length of the payload (u8), digest (16 bytes), digest of these two (8 bytes); payload

The digest of a record is BLAKE2b over the digest before it and the payload: records can be neither lost nor doubled nor
reordered within a log. A record counts when it is whole. One that a dying writer left unfinished at the end was never
acknowledged: readers pass over it, and the next writer cuts it off. Anything else that is wrong is damage, and refused.
"""

from __future__ import annotations

import hashlib
import os
import struct
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from poeem.bundle.atomic import sync_directory
from poeem.bundle.manifest import LOG_FILE

_MAGIC, _VERSION = b"poeemlog", 1
_RECORD = struct.Struct("<Q16s8s")
_HEADER_BYTES = len(_MAGIC) + 4 + 32 + 16
# What a disk writes at once or not at all.
_SECTOR = 512
_WRITE = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0)
_MEND = "restore it from a copy, or delete it to lose the changes since the last compact()"


class LogContents(NamedTuple):
    """What a log holds: its payloads, how many bytes count, and the digest of them all."""

    payloads: list[bytes]
    end: int
    digest: bytes


def read_log(folder: Path, base: bytes) -> LogContents:
    """The acknowledged changes of a bundle; none where there is no log.

    Args:
        folder: of the bundle.
        base: SHA-256 of its `manifest.json`.
    Raises:
        ValueError: the log is damaged, of another bundle, or of a newer version.
    """
    try:
        data = (folder / LOG_FILE).read_bytes()
    except FileNotFoundError:
        data = b""
    try:
        return _parse(data, base)
    except ValueError as error:
        raise ValueError(f"{LOG_FILE} {error}") from None


def _parse(data: bytes, base: bytes) -> LogContents:
    header = _header(base)
    if data[:_HEADER_BYTES] != header:
        if len(data) < _HEADER_BYTES or not any(data):
            # Its writer died while it made the log; nothing has been acknowledged.
            return LogContents([], 0, header[-16:])
        if data[: len(_MAGIC)] == _MAGIC and data[_HEADER_BYTES - 16 : _HEADER_BYTES] == _digest(
            data[: _HEADER_BYTES - 16]
        ):
            version = int.from_bytes(data[len(_MAGIC) : len(_MAGIC) + 4], "little")
            if version > _VERSION:
                raise ValueError(f"is of version {version}, newer than this poeem reads ({_VERSION}); upgrade poeem")
            raise ValueError(f"is of another bundle than the one it stands in; {_MEND}")
        raise ValueError(f"is damaged at its head; {_MEND}")
    payloads, at, digest = [], _HEADER_BYTES, header[-16:]
    while at < len(data):
        if len(data) - at < _RECORD.size:
            break
        length, found, check = _RECORD.unpack_from(data, at)
        if check != _check(data[at : at + 24]):
            sector = -(-at // _SECTOR) * _SECTOR
            if not any(data[sector:]):
                break  # the file had grown when the power went, its contents had not arrived
            raise ValueError(f"is damaged at byte {at}; {_MEND}")
        payload = data[at + _RECORD.size : at + _RECORD.size + length]
        stop = at + _RECORD.size + length
        if stop > len(data):
            break
        if _digest(digest + payload) != found:
            if stop == len(data):
                break  # the last one, with a hole where a page had not arrived when the power went
            raise ValueError(f"is damaged at byte {at}; {_MEND}")
        payloads.append(payload)
        at, digest = stop, found
    return LogContents(payloads, at, digest)


class LogWriter:
    """Appends to the log of a bundle; by the holder of its lock only.

    Args:
        folder: of the bundle.
        base: SHA-256 of its `manifest.json`.
        contents: what `read_log` has found; an unfinished record behind it is cut off before the first append.
    """

    def __init__(self, folder: Path, base: bytes, contents: LogContents) -> None:
        self.path, self.base = folder / LOG_FILE, base
        self.end, self.digest = contents.end, contents.digest
        self._descriptor: int | None = None
        self._broken = False

    def append(self, payload: bytes) -> None:
        """Write a record; when this returns, it is on the disk.

        Raises:
            OSError: it could not be written; it does not count, now or later.
        """
        if self._broken:
            raise OSError(f"{str(self.path)!r} could not be written before; open the bundle again")
        digest = _digest(self.digest + payload)
        head = struct.pack("<Q16s", len(payload), digest)
        record = head + _check(head) + payload
        first = self.end == 0
        try:
            if self._descriptor is None:
                self._descriptor = self._opened()
            _write_all(self._descriptor, self.end, _header(self.base) + record if first else record)
            os.fsync(self._descriptor)
            if first:
                # The new name must be there after a loss of power, not just the contents.
                sync_directory(self.path.parent)
        except OSError:
            self._undo()
            raise
        self.end += len(record) + (_HEADER_BYTES if first else 0)
        self.digest = digest

    def close(self) -> None:
        """Close the file; an append opens it again."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _opened(self) -> int:
        descriptor = os.open(self.path, _WRITE, 0o666)
        if os.fstat(descriptor).st_size > self.end:
            # What a dying writer left: on the disk before anything new, or the two could be read as one.
            os.ftruncate(descriptor, self.end)
            os.fsync(descriptor)
        return descriptor

    def _undo(self) -> None:
        """Take back what may have been written of a record; where even that fails, write no more."""
        self._broken = True
        with suppress(OSError):
            if self._descriptor is not None:
                os.ftruncate(self._descriptor, self.end)
                os.fsync(self._descriptor)
            self._broken = False


def _header(base: bytes) -> bytes:
    head = _MAGIC + _VERSION.to_bytes(4, "little") + base
    return head + _digest(head)


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=16).digest()


def _check(head: bytes) -> bytes:
    return hashlib.blake2b(head, digest_size=8).digest()


def _write_all(descriptor: int, at: int, data: bytes) -> None:
    os.lseek(descriptor, at, os.SEEK_SET)
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
