"""Journals: folders of segments to which the sources of a process append what they receive.

Internal: not part of the API; may change in any release.
"""

from rxdag.journal._cursor import Cursor
from rxdag.journal._entry import Bad, Entries, entries_of
from rxdag.journal._record import Kind, Record
from rxdag.journal._retention import Retention
from rxdag.journal._segments import Tail, oldest, path_of, segments, size_of, tail_of
from rxdag.journal._writer import SYNC_NS, JournalWriter, WriteRefused, close_writer, open_writer

__all__ = [
    "Bad",
    "Cursor",
    "Entries",
    "Kind",
    "Record",
    "Retention",
    "SYNC_NS",
    "Tail",
    "WriteRefused",
    "JournalWriter",
    "close_writer",
    "entries_of",
    "oldest",
    "open_writer",
    "path_of",
    "segments",
    "size_of",
    "tail_of",
]
