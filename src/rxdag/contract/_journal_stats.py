"""JournalStats: the figures that a reader reports about its journal."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class JournalStats:
    """The state of a reader's journal.

    Attributes:
        path: Path of its folder.
        bytes: Size on disk, in bytes.
        behind_s: Receipt time of the newest record minus that of the last record read, s; 0 if all are read.
        gaps: Number of gaps, periods without records, that this reader has recorded or read.
        unrecorded: Number of items that it has emitted unrecorded because the disk refused them.
    """

    path: str
    bytes: int
    behind_s: float
    gaps: int
    unrecorded: int = 0
