"""Segments: the files of a journal, each named by the arrival number of its first record."""

from __future__ import annotations

import contextlib
import io
import os
import re
from dataclasses import dataclass, field
from typing import Final

from rxdag.codec import Codec
from rxdag.errors import SourceError
from rxdag.journal._record import Damaged, Kind, Record, is_followed, record_at

_IS_SEGMENT: Final = re.compile(r"(\d{20})\.journal").fullmatch
_CODEC: Final = Codec()


def segments(folder: str) -> list[int]:
    """Return the first arrival number of each segment, oldest first; none if there is no folder."""
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    return sorted(int(found[1]) for found in map(_IS_SEGMENT, names) if found is not None)


def oldest(folder: str) -> int | None:
    """Return the arrival number of the oldest record that a journal still has; None if there is no journal."""
    return next(iter(segments(folder)), None)


def path_of(folder: str, first: int) -> str:
    """Return the path of a segment."""
    return os.path.join(folder, f"{first:020d}.journal")


def is_deleted(file: io.FileIO) -> bool:
    """Return True if an open segment no longer has a name: what is written to it is lost."""
    return os.fstat(file.fileno()).st_nlink == 0


def size_of(folder: str) -> int:
    """Return the size of all segments, in bytes; without those that are deleted meanwhile."""
    size = 0
    for first in segments(folder):
        with contextlib.suppress(FileNotFoundError):
            size += os.path.getsize(path_of(folder, first))
    return size


def damage(path: str, byte: int) -> SourceError:
    """Return the error for damage in the middle of a segment."""
    return SourceError(
        f'journal: "{path}" must be undamaged, got damage at byte {byte:,}; restore the file from a backup, or move the '
        "journal away to begin a new one"
    )


@dataclass
class Last:
    """The last record of a source.

    Attributes:
        at: Time of receipt, ns since the epoch.
        is_ended: True if the source had ended.
        arrival: Arrival number behind it.
    """

    at: int
    is_ended: bool
    arrival: int


@dataclass
class Tail:
    """The end of a journal, as its last segment shows it.

    Attributes:
        first: Arrival number of the first record of that segment; None if the next record begins one.
        byte: Position behind its last whole record.
        torn: Number of bytes behind that, of a record that was not completely written.
        arrival: Arrival number of the next record.
        began: Time of receipt of the first record of the segment, ns since the epoch.
        at: Time of receipt of the last record of the journal, ns since the epoch.
        sources: Last record of each source; nodes that record answers are none.
    """

    first: int | None = None
    byte: int = 0
    torn: int = 0
    arrival: int = 0
    began: int = 0
    at: int = 0
    sources: dict[str, Last] = field(default_factory=lambda: dict[str, Last]())

    def add(self, record: Record) -> None:
        """Take in the next record."""
        self.arrival = record.arrival + record.n
        self.at = record.at
        if record.kind is Kind.SOURCES:
            self.began = record.at
            known = _CODEC.decode(record.payload, where="journal")
            self.sources = {name: Last(*last) for name, last in known.items()}
        elif not record.kind.is_of_node:
            self.sources[record.source] = Last(record.at, record.kind is Kind.END, self.arrival)

    def index(self) -> bytes:
        """Return the payload of a record that tells the next segment the sources so far."""
        return _CODEC.encode({name: [last.at, last.is_ended, last.arrival] for name, last in self.sources.items()})


def tail_of(folder: str) -> Tail:
    """Return the end of a journal; an empty one if there is none.

    Raises:
        SourceError: If a segment is damaged in its middle.
    """
    found = segments(folder)
    if not found:
        return Tail()
    tail = _scanned(folder, found[-1])
    if tail.byte:
        return tail
    # The last segment was begun, but its first record was not written: it is begun again.
    if len(found) > 1:
        torn, tail = tail.torn, _scanned(folder, found[-2])
        if tail.torn or tail.arrival != found[-1]:
            raise damage(path_of(folder, found[-2]), tail.byte)
        tail.torn = torn
    tail.first = None
    return tail


def _scanned(folder: str, first: int) -> Tail:
    tail = Tail(first, arrival=first)
    path = path_of(folder, first)
    with open(path, "rb") as file:
        data = file.read()
    while tail.byte < len(data):
        try:
            read = record_at(data, tail.byte)
        except Damaged:
            read = None
        if read is None:
            if is_followed(data, tail.byte, tail.arrival):
                raise damage(path, tail.byte)
            break
        tail.add(read[0])
        tail.byte = read[1]
    tail.torn = len(data) - tail.byte
    return tail
