"""Cursors: they read the records of a journal in their order, also while a process writes it."""

from __future__ import annotations

import contextlib
import io
import os
from typing import Final

from rxdag.errors import SourceError
from rxdag.journal._record import Damaged, Record, is_followed, record_at
from rxdag.journal._segments import damage, is_deleted, path_of, segments

_BLOCK: Final = 1 << 20
"""Number of bytes that are read at one time."""


class Cursor:
    """A position in a journal, which moves from record to record. It needs no lock.

    Args:
        folder: Folder of the journal; it may not exist yet.
        arrival: Arrival number at which to begin; None for the oldest record.
    """

    def __init__(self, folder: str, arrival: int | None = None) -> None:
        self._folder = folder
        self._start = arrival
        self._first = 0
        """First arrival number of the open segment."""
        self._file: io.FileIO | None = None
        self._data = b""
        self._at = 0
        """Position in `_data` of the next record."""
        self._byte = 0
        """Position in the file of the first byte of `_data`."""
        self.arrival = 0
        """Arrival number of the next record."""

    def next(self) -> Record | None:
        """Return the next record; None if no other one is complete now.

        Raises:
            SourceError: If the journal is damaged, or no longer has the record.
        """
        while True:
            if self._file is None and not self._open_first():
                return None
            record = self._next_here()
            if record is None:
                behind = self._behind()
                if behind is None:
                    self._check_there()
                    return None
                record = self._next_here()  # it may have been written before that segment was begun
                if record is None:
                    self._move_on(behind)
                    continue
            if record.arrival != self.arrival:
                raise damage(self._path, self._byte)
            self.arrival += record.n
            if self._start is None or self.arrival > self._start:
                return record

    @property
    def _path(self) -> str:
        return path_of(self._folder, self._first)

    def _next_here(self) -> Record | None:
        """Return the next record of the open segment; None if it has no other one."""
        while True:
            try:
                found = record_at(self._data, self._at)
            except Damaged:
                break
            if found is not None:
                self._at = found[1]
                return found[0]
            if not self._read_more():
                break
        self._check_torn()
        return None

    def _read_more(self) -> bool:
        """Read a block behind the bytes at hand; False if there is none."""
        assert self._file is not None
        rest = self._data[self._at :]
        self._byte += self._at
        self._file.seek(self._byte + len(rest))
        more = self._file.read(max(_BLOCK, len(rest))) or b""
        self._data, self._at = rest + more, 0
        return bool(more)

    def _check_torn(self) -> None:
        """Check that no whole record stands behind the bytes that are none."""
        while self._read_more():
            pass
        if self._data and is_followed(self._data, 0, self.arrival):
            raise damage(self._path, self._byte)
        self._data = b""  # a writer that opens the journal again cuts it off

    def _open_first(self) -> bool:
        found = segments(self._folder)
        if not found:
            return False
        if self._start is None:
            return self._open(found[0])
        before = [first for first in found if first <= self._start]
        if not before:
            raise self._gone(self._start, found[0])
        return self._open(before[-1])

    def _behind(self) -> int | None:
        """Return the first arrival number of the segment behind the open one; None if it is the last one."""
        return next((first for first in segments(self._folder) if first > self._first), None)

    def _check_there(self) -> None:
        """Check that the open segment, which was the last one, was not deleted."""
        assert self._file is not None
        # A retention deletes it only once there is another one.
        if is_deleted(self._file) and self._behind() is None:
            raise SourceError(
                f'journal: "{self._path}" must stay in place while it is read, got a deleted file; restore the journal'
            )

    def _move_on(self, behind: int) -> None:
        """Open the segment behind the open one, which has been read."""
        assert self._file is not None
        if self._file.seek(0, os.SEEK_END) > self._byte:
            raise damage(self._path, self._byte)
        if behind != self.arrival or not self._open(behind):
            raise self._gone(self.arrival, behind)

    def _open(self, first: int) -> bool:
        try:
            # Without a buffer, which would keep the bytes of a torn tail that a writer has cut off.
            file = open(path_of(self._folder, first), "rb", buffering=0)  # noqa: SIM115  # `close` closes it
        except FileNotFoundError:  # its retention has just deleted it
            return False
        self.close()
        self._file, self._first, self.arrival = file, first, first
        self._data, self._at, self._byte = b"", 0, 0
        return True

    def _gone(self, wanted: int, oldest: int) -> SourceError:
        return SourceError(
            f'journal: "{self._folder}" must have item {wanted:,}, got one that begins at {oldest:,}; its retention has '
            "deleted records that were not read yet: extend it, or start without the checkpoint"
        )

    def close(self) -> None:
        """Close the open segment. Does nothing if closed."""
        with contextlib.suppress(OSError):
            if self._file is not None:
                self._file.close()
        self._file = None
