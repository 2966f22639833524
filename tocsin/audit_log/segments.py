"""The files of a journal: one that is written, and those that wait to be told.

A record is its length and its CRC-32, four bytes each, big-endian, and its bytes. A process holds a lock on the file that it writes; what
has no lock belongs to whoever takes it first, so the next process tells the files of one that died. What is cut off at a file's end was
never acknowledged to anybody.
"""

import errno
import fcntl
import os
import struct
import uuid
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_HEAD: Final = struct.Struct(">II")
_SUFFIX: Final = ".journal"
_LONGEST_RECORD: Final = 16 * 1024
_AWAY: Final = (errno.EAGAIN, errno.EACCES)


class Segments:
    """The files in one folder. None of its methods may be called from two threads at a time but `taken`."""

    def __init__(self, *, folder: Path, most_bytes: int) -> None:
        """Opens nothing yet.

        Args:
            folder: of one service; its processes share it.
            most_bytes: of all files; the next record beyond that finds no room.
        """
        self._folder = folder
        self._most = most_bytes
        self._written: int | None = None
        self._path: Path | None = None
        self._length = 0
        self.waiting_bytes = 0
        """Of all files, as far as this process knows."""

    def open(self) -> None:
        """Looks at what is there.

        Raises:
            OSError: the folder cannot be read.
        """
        self.waiting_bytes = sum(path.stat().st_size for path in self._folder.glob(f"*{_SUFFIX}"))

    def append(self, record: bytes) -> bool:
        """Writes a record, which outlives this process from then on; False if there is no room.

        Raises:
            OSError: the disk does not take it; what was written of it is gone.
        """
        data = _HEAD.pack(len(record), zlib.crc32(record)) + record
        if self.waiting_bytes + len(data) > self._most or len(record) > _LONGEST_RECORD:
            return False
        handle = self._begin() if self._written is None else self._written
        try:
            if os.write(handle, data) != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            os.ftruncate(handle, self._length)
            raise
        self._length += len(data)
        self.waiting_bytes += len(data)
        return True

    def _begin(self) -> int:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = uuid.uuid4().hex
        path, draft = self._folder / f"{name}{_SUFFIX}", self._folder / f"{name}.new"
        handle = os.open(draft, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            draft.rename(path)  # locked before anybody sees it
        except OSError:
            os.close(handle)
            raise
        self._path = path
        self._written, self._length = handle, 0
        return handle

    def rotate(self) -> None:
        """Ends the file that is written; the next record begins another one."""
        handle, self._written, self._path = self._written, None, None
        if handle is not None:
            os.close(handle)

    def taken(self) -> "Iterator[TakenSegment]":
        """The files that nobody writes, the oldest first, each locked while it is looked at."""
        paths = [path for path in self._folder.glob(f"*{_SUFFIX}") if path != self._path]
        for path in sorted(paths, key=_modified):
            try:
                handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                continue
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.fstat(handle).st_nlink:  # else another process has told it meanwhile
                    yield TakenSegment(path, handle)
            except OSError as error:
                if error.errno not in _AWAY:
                    raise
            finally:
                os.close(handle)

    def forget(self, segment: "TakenSegment") -> None:
        """Deletes a file, all of whose records have been told."""
        segment.path.unlink(missing_ok=True)
        self.waiting_bytes = max(0, self.waiting_bytes - segment.length)


class TakenSegment:
    """A file that this process alone looks at."""

    def __init__(self, path: Path, handle: int) -> None:
        self.path = path
        self._handle = handle
        self.length = os.fstat(handle).st_size

    def records(self) -> list[bytes]:
        """Its records, as far as they are whole."""
        data = os.pread(self._handle, self.length, 0)
        found: list[bytes] = []
        place = 0
        while place + _HEAD.size <= len(data):
            length, checksum = _HEAD.unpack_from(data, place)
            place += _HEAD.size
            record = data[place : place + length]
            if length > _LONGEST_RECORD or len(record) != length or zlib.crc32(record) != checksum:
                break
            found.append(record)
            place += length
        return found


def _modified(path: Path) -> tuple[int, str]:
    try:
        return path.stat().st_mtime_ns, path.name
    except OSError:
        return 0, path.name
