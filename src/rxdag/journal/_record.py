"""Records: how one is framed in a segment, so that damage is found and a torn tail is known from it."""

from __future__ import annotations

import enum
import struct
import zlib
from dataclasses import dataclass
from typing import Final

_MAGIC: Final = b"rxJ1"
"""First bytes of each record, with the version of the format."""
_FRAME: Final = struct.Struct("<4sII")
"""Magic, length of the body, and its CRC-32."""
_BODY: Final = struct.Struct("<QqIBH")
"""Arrival number, time of receipt, count, kind, and length of the source's name."""


class Kind(enum.IntEnum):
    """The content of a record."""

    ITEMS = 1
    """Items of one read, with their times, keys and watermarks."""
    BAD = 2
    """Malformed items of one read, with their errors."""
    GAP = 3
    """A time in which nothing was recorded."""
    EVENT = 4
    """An item of a side port."""
    END = 5
    """The source has ended by itself."""
    SOURCES = 6
    """The sources that the segments before have, so that only the last segment needs to be scanned."""
    ANSWER = 7
    """The answer or the final failure of a call of a node."""
    ASKED = 8
    """An item for which a node has made a call; without one, the answer to an earlier call was used."""
    BEGAN = 9
    """The numbers of a node's answers begin again: a run has started without a checkpoint."""

    @property
    def is_of_node(self) -> bool:
        """True if a node has recorded it, not a source."""
        return self >= Kind.ANSWER


class Damaged(Exception):
    """Raised if the bytes at a position are no record."""


@dataclass(frozen=True, slots=True)
class Record:
    """A record of a journal.

    Attributes:
        arrival: Its arrival number, that of its first item. Numbers go over all sources of the folder, without a hole.
        n: How many numbers it takes, 1 or more: one per item, or per item that could not be recorded.
        at: Time of receipt, ns since the epoch; greater than that of the record before.
        source: Name of the source.
        kind: What the payload is.
        payload: Content, encoded by `rxdag.codec`.
    """

    arrival: int
    n: int
    at: int
    source: str
    kind: Kind
    payload: bytes

    def framed(self) -> bytes:
        """Return the bytes of the record in a segment."""
        name = self.source.encode()
        body = _BODY.pack(self.arrival, self.at, self.n, self.kind, len(name)) + name + self.payload
        return _FRAME.pack(_MAGIC, len(body), zlib.crc32(body)) + body


def record_at(data: bytes, start: int) -> tuple[Record, int] | None:
    """Return the record at a position and the position behind it; None if the data ends before that.

    Raises:
        Damaged: If the bytes there are no record.
    """
    if len(data) - start < _FRAME.size:
        if not _MAGIC.startswith(data[start : start + len(_MAGIC)]):
            raise Damaged
        return None
    magic, length, crc = _FRAME.unpack_from(data, start)
    if magic != _MAGIC or length < _BODY.size:
        raise Damaged
    begin = start + _FRAME.size
    end = begin + length
    if len(data) < end:
        return None
    body = data[begin:end]
    if zlib.crc32(body) != crc:
        raise Damaged
    arrival, at, n, kind, size = _BODY.unpack_from(body)
    behind = _BODY.size + size
    return Record(arrival, n, at, body[_BODY.size : behind].decode(), Kind(kind), body[behind:]), end


def is_followed(data: bytes, start: int, arrival: int) -> bool:
    """Return True if a whole record, with this arrival number or a later one, stands anywhere behind a position."""
    at = data.find(_MAGIC, start + 1)
    while at >= 0:
        try:
            found = record_at(data, at)
        except (Damaged, ValueError):
            found = None
        if found is not None and found[0].arrival >= arrival:
            return True
        at = data.find(_MAGIC, at + 1)
    return False
