"""The log of acknowledged changes that are not yet written into a bundle's files.

``changes.log`` and ``changes.head`` are in the bundle's folder. The rename that swaps in a compacted bundle removes
both of them. So a change is never counted twice and never lost. Bytes are only ever appended to the log::

    header:  "poeemlog", version (u4), SHA-256 of manifest.json (32 bytes), digest of these (16 bytes)
    record:  length of the payload (u8), digest (16 bytes), digest of these two (8 bytes); payload

The digest of a record is BLAKE2b over the previous digest and the payload. So a lost, repeated or moved record is
noticed. The head holds the acknowledged length of the log. It shows whether the log was cut off or its writer died. The
head has two slots, which are written in turn; the newest undamaged slot counts::

    slot:    bytes of the log (u8), its digest (16 bytes), digest of these (16 bytes)

A writer writes the record, syncs, writes the head, syncs, and then returns. If a byte within the acknowledged length is
damaged, the log is refused. A whole record after that length counts. Any other bytes there were never acknowledged:
readers skip them, and the next writer cuts them off.
"""

from __future__ import annotations

import hashlib
import os
import struct
import warnings
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from poeem.bundle.atomic import sync_directory
from poeem.bundle.manifest import HEAD_FILE, LOG_FILE
from poeem.bundle.regular_file import open_to_write, read_file

# Logs of version 1 have no head.
_MAGIC, _VERSION = b"poeemlog", 2
_RECORD = struct.Struct("<Q16s8s")
_HEADER_BYTES = len(_MAGIC) + 4 + 32 + 16
_ACKNOWLEDGED = struct.Struct("<Q16s")
# Far enough apart that a disk never writes both slots at once.
_SLOT, _SLOT_BYTES = 4096, _ACKNOWLEDGED.size + 16
_FIX = f"restore {LOG_FILE} and {HEAD_FILE} from a copy, or delete both to lose the changes since the last compact()"


class LogContents(NamedTuple):
    """The contents of a log.

    Args:
        payloads: payloads of the valid records, in order.
        end: bytes from the start of the log to the end of the last valid record.
        digest: digest of the last valid record, which covers all records before it.
        unfinished: number of bytes after ``end``.
    """

    payloads: list[bytes]
    end: int
    digest: bytes
    unfinished: int = 0


def read_log(folder: Path, base: bytes) -> LogContents:
    """Read the acknowledged changes of a bundle.

    Args:
        folder: the bundle's folder.
        base: SHA-256 of its `manifest.json`, 32 bytes.
    Returns:
        the contents; without payloads if there is no log.
    Raises:
        ValueError: the log is damaged, belongs to another bundle, or has a newer version.
    """
    acknowledged, data = None, None
    for _ in range(2):
        # The head first: a writer that is at work only ever makes the log longer than a head that was read before it.
        acknowledged = _newest_slot(_read_or_none(folder / HEAD_FILE) or b"")
        data = _read_or_none(folder / LOG_FILE)
        if acknowledged or not data:
            break
        # Both files may have been made between the two reads.
    if data is None and acknowledged and acknowledged[0]:
        raise ValueError(f"{LOG_FILE} is missing, but {HEAD_FILE} says that there are changes; {_FIX}")
    try:
        return _parse(data or b"", base, acknowledged)
    except ValueError as error:
        raise ValueError(f"{LOG_FILE} {error}") from None


def _read_or_none(path: Path) -> bytes | None:
    try:
        return read_file(path)
    except FileNotFoundError:
        return None


def _newest_slot(head: bytes) -> tuple[int, bytes] | None:
    """Bytes and digest of what is acknowledged; None if no slot is whole."""
    slots = []
    for at in (0, _SLOT):
        slot = head[at : at + _SLOT_BYTES]
        if len(slot) == _SLOT_BYTES and slot[_ACKNOWLEDGED.size :] == _digest(slot[: _ACKNOWLEDGED.size]):
            slots.append(_ACKNOWLEDGED.unpack_from(slot))
    return max(slots, default=None)


def _parse(data: bytes, base: bytes, acknowledged: tuple[int, bytes] | None) -> LogContents:
    version = _check_header(data, base)
    if version is None:
        if acknowledged is not None and acknowledged[0]:
            raise ValueError(f"is damaged at its header; {_FIX}")
        if acknowledged is None and data:
            raise ValueError(f"has no whole {HEAD_FILE} beside it; {_FIX}")
        return LogContents([], 0, _header(base)[-16:], len(data))
    if acknowledged is None:
        if version > 1:
            raise ValueError(f"has no whole {HEAD_FILE} beside it; {_FIX}")
        acknowledged = len(data), b""
    payloads, at, digest = [], _HEADER_BYTES, data[_HEADER_BYTES - 16 : _HEADER_BYTES]
    covered = at == acknowledged[0]
    while (record := _record(data, at, digest)) is not None:
        payload, digest = record
        payloads.append(payload)
        at += _RECORD.size + len(payload)
        covered |= at == acknowledged[0] and acknowledged[1] in (b"", digest)
    if not covered and acknowledged[0]:
        lost = "was cut off" if len(data) < acknowledged[0] else f"is damaged at byte {at}"
        raise ValueError(f"{lost}: changes that had been acknowledged are lost; {_FIX}")
    return LogContents(payloads, at, digest, len(data) - at)


def _check_header(data: bytes, base: bytes) -> int | None:
    """The version of a log; None if there is no whole header."""
    head = data[: _HEADER_BYTES - 16]
    if data[: len(_MAGIC)] != _MAGIC or data[_HEADER_BYTES - 16 : _HEADER_BYTES] != _digest(head):
        return None
    version = int.from_bytes(head[len(_MAGIC) : len(_MAGIC) + 4], "little")
    if version > _VERSION:
        raise ValueError(f"is of version {version}, newer than this poeem reads ({_VERSION}); upgrade poeem")
    if head[len(_MAGIC) + 4 :] != base:
        raise ValueError(f"is of another bundle, not of the one in its folder; {_FIX}")
    return version


def _record(data: bytes, at: int, digest: bytes) -> tuple[bytes, bytes] | None:
    """Payload and digest of the record at a byte; None if there is no whole one."""
    if len(data) - at < _RECORD.size:
        return None
    length, found, check = _RECORD.unpack_from(data, at)
    payload = data[at + _RECORD.size : at + _RECORD.size + length]
    if check != _check(data[at : at + 24]) or len(payload) != length or found != _digest(digest + payload):
        return None
    return payload, found


class LogWriter:
    """Appends records to the log of a bundle. Only the holder of the bundle's `WriterLock` may use it.

    Args:
        folder: the bundle's folder.
        base: SHA-256 of its `manifest.json`, 32 bytes.
        contents: the return value of `read_log`. Its unfinished bytes are cut off before the first append.
    """

    def __init__(self, folder: Path, base: bytes, contents: LogContents) -> None:
        self.path, self.base = folder / LOG_FILE, base
        self.end, self.digest = contents.end, contents.digest
        self._count = len(contents.payloads)
        self._descriptors: tuple[int, int] | None = None
        self._broken = False
        if contents.unfinished:
            text = f"{str(self.path)!r} ends in {contents.unfinished} bytes of a change that was never acknowledged"
            warnings.warn(f"{text}; they are dropped", stacklevel=2)

    def append(self, payload: bytes) -> None:
        """Append a record. When this method returns, the record is on the disk.

        Raises:
            OSError: the record could not be written. It does not count, now or later. If it could not be removed again,
                later appends raise OSError until the bundle is opened again.
            ValueError: a file of the log is a link or no regular file.
        """
        if self._broken:
            raise OSError(f"{str(self.path)!r} could not be written before; open the bundle again")
        digest = _digest(self.digest + payload)
        head = struct.pack("<Q16s", len(payload), digest)
        record = head + _check(head) + payload
        if self.end == 0:
            record = _header(self.base) + record
        try:
            log, acknowledged = self._opened()
            _write_all(log, self.end, record)
            os.fsync(log)
            self._acknowledge(acknowledged, self._count + 1, self.end + len(record), digest)
        except OSError:
            self._undo()
            raise
        self.end, self.digest, self._count = self.end + len(record), digest, self._count + 1

    def close(self) -> None:
        """Close the files. A later `append` opens them again."""
        for descriptor in self._descriptors or ():
            os.close(descriptor)
        self._descriptors = None

    def _opened(self) -> tuple[int, int]:
        """The log, cut to what counts, and its head, which covers all of that."""
        if self._descriptors is None:
            head = open_to_write(self.path.with_name(HEAD_FILE))
            try:
                log = open_to_write(self.path)
            except BaseException:
                os.close(head)
                raise
            self._descriptors = log, head
            if os.fstat(log).st_size > self.end:
                # What a dying writer left: on the disk before anything new, or the two could be read as one.
                os.ftruncate(log, self.end)
                os.fsync(log)
            # Its whole length from the beginning: a full disk cannot stop a later change between log and head.
            if os.fstat(head).st_size < 2 * _SLOT:
                _write_all(head, 0, bytes(2 * _SLOT))
            self._acknowledge(head, self._count, self.end, self.digest)
            # The new names must be there after a loss of power, not just the contents.
            sync_directory(self.path.parent)
        return self._descriptors

    def _acknowledge(self, head: int, count: int, end: int, digest: bytes) -> None:
        slot = _ACKNOWLEDGED.pack(end, digest)
        _write_all(head, count % 2 * _SLOT, slot + _digest(slot))
        os.fsync(head)

    def _undo(self) -> None:
        """Take back what may have been written of a record; where even that fails, write no more."""
        self._broken = True
        with suppress(OSError):
            if self._descriptors is not None:
                log, head = self._descriptors
                # The head first: it must never cover what the log has lost.
                _write_all(head, (self._count + 1) % 2 * _SLOT, bytes(_SLOT_BYTES))
                os.fsync(head)
                os.ftruncate(log, self.end)
                os.fsync(log)
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
