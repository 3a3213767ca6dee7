"""JournalStats: what a reader tells about the journal that it reads."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class JournalStats:
    """State of the journal that a reader reads.

    Attributes:
        path: Path of its folder.
        bytes: Size on disk, in bytes.
        behind_s: Receipt time of the newest record less that of the last record read, s; 0 if all are read.
        gaps: Number of gaps that this reader has recorded or read: times when nothing was recorded.
        unrecorded: Number of items that it has emitted unrecorded, since the disk refused them.
    """

    path: str
    bytes: int
    behind_s: float
    gaps: int
    unrecorded: int = 0
