"""Writers: one per folder and process, shared by the sources that record into it."""

from __future__ import annotations

import errno
import io
import os
import sys
import threading
from typing import Final

from rxdag.checkpoints import Lock
from rxdag.contract import refuse_fork
from rxdag.errors import CheckpointError, SourceError, text_of
from rxdag.journal._record import Kind, Record
from rxdag.journal._retention import Retention
from rxdag.journal._segments import Last, is_deleted, path_of, segments, tail_of

SYNC_NS: Final = 10_000_000
"""Least time between two syncs while more is received, ns."""
_SEGMENT_BYTES: Final = 64 << 20
_OF_LIMIT: Final = 8
"""Least number of segments into which a limit of the retention is divided."""
_OPEN: Final[dict[str, JournalWriter]] = {}
"""Writers of this process by the real path of their folders."""
_OPENING: Final = threading.Lock()


class WriteRefused(SourceError):
    """Raised if the disk refuses a record: it is full or read-only, or the folder was deleted. The journal is as it was before."""


class JournalWriter:
    """The only writer of a journal. Thread-safe.

    Args:
        folder: Real path of the folder.
        owner: Name of the dag, shown to others that want to write.
        retention: How long records are kept; None for ever.

    Raises:
        SourceError: If another process writes to the folder, or its last segment is damaged.
        OSError: If the folder cannot be made or written.
    """

    def __init__(self, folder: str, owner: str, retention: Retention | None) -> None:
        self.folder = folder
        self.retention = retention
        self.recorded: set[str] = set()
        """Names of the sources and nodes that record into it now."""
        self.has_retention = False
        """True if a source has set the retention, which all others then share."""
        self._pid = os.getpid()
        self._mutex = threading.RLock()
        self._confirmed: dict[str, int] = {}
        self._file: io.FileIO | None = None
        self._refused = 0
        """Number of bytes of a record that was refused, behind the last whole one."""
        self._is_new = True
        """True if the name of the segment may not outlive a loss of power yet."""
        os.makedirs(folder, exist_ok=True)
        try:
            self._lock = Lock(os.path.join(folder, "writer"), f'journal: "{folder}"', owner)
        except CheckpointError as error:
            raise SourceError(text_of(error)) from None
        try:
            self._tail = tail_of(folder)
            self.torn = self._tail.torn
            """Number of bytes of an incomplete record that were cut off when the journal was opened."""
            if self._tail.first is not None:
                self._file = self._opened(self._tail.first)
                if self.torn:
                    self._file.truncate(self._tail.byte)
        except BaseException:
            self.close()
            raise
        self.retain(retention)

    def retain(self, retention: Retention | None) -> None:
        """Set how long records are kept."""
        self.retention = retention
        kept = retention or Retention()
        age_ns = kept.max_age_ns()
        self._segment_bytes = min(_SEGMENT_BYTES, (kept.max_bytes or 1 << 62) // _OF_LIMIT)
        self._segment_ns = (1 << 62) if age_ns is None else age_ns // _OF_LIMIT

    @property
    def arrival(self) -> int:
        """Arrival number of the next record."""
        return self._tail.arrival

    @property
    def at(self) -> int:
        """Time of receipt of the last record, ns since the epoch."""
        return self._tail.at

    def begin(self, source: str) -> int:
        """Return the arrival number of the oldest record that may be of a source; that of the next one if it has none."""
        found = segments(self.folder)
        return found[0] if found and source in self._tail.sources else self.arrival

    def last(self, source: str) -> Last | None:
        """Return the last record of a source; None if it has none."""
        return self._tail.sources.get(source)

    def reserve(self, source: str, arrival: int, now: int, payload: bytes) -> None:
        """Let numbers begin at `arrival`, if those up to it were taken by records that are lost."""
        with self._mutex:
            missing = arrival - self._tail.arrival
            if missing > 0:
                self.append(source, now, [(Kind.GAP, missing, payload)])

    def append(self, source: str, now: int, parts: list[tuple[Kind, int, bytes]]) -> list[Record]:
        """Append records of a source in one write, and return them.

        Args:
            source: Name of the source.
            now: Time of receipt, ns since the epoch; records get later times if it is not after the last one.
            parts: Kind, count of numbers and payload of each record.

        Raises:
            WriteRefused: If the disk refuses them.
        """
        refuse_fork(self._pid, f'journal "{self.folder}"')
        with self._mutex:
            try:
                self._make_room(now)
                arrival, at = self._tail.arrival, self._tail.at
                records: list[Record] = []
                for kind, n, payload in parts:
                    at = max(now, at + 1)
                    records.append(Record(arrival, n, at, source, kind, payload))
                    arrival += n
                self._write(records)
            except OSError as error:
                must, fix = "have room for what is recorded", "free some space or choose another disk"
                if error.errno == errno.ENOENT:
                    must, fix = "stay in place while it is recorded", "leave it until the run has ended"
                raise WriteRefused(
                    f'journal: "{self.folder}" must {must}, got {os.strerror(error.errno or 0)}; {fix}'
                ) from error
            return records

    def _write(self, records: list[Record]) -> None:
        assert self._file is not None
        if is_deleted(self._file):
            raise FileNotFoundError(errno.ENOENT, "deleted", path_of(self.folder, self._tail.first or 0))
        self._check_alone(self._file)
        if self._refused:
            self._file.truncate(self._tail.byte)
            self._refused = 0
        data = memoryview(b"".join(record.framed() for record in records))
        n = 0
        while n < len(data):
            n += self._file.write(data[n:])
            self._refused = n
        self._refused = 0
        self._tail.byte += n
        for record in records:
            self._tail.add(record)

    def _check_alone(self, file: io.FileIO) -> None:
        """Check that nobody else writes to the segment: the lock is lost if its file is deleted."""
        size, own = os.fstat(file.fileno()).st_size, self._tail.byte + self._refused
        if size != own:
            raise SourceError(
                f'journal: "{path_of(self.folder, self._tail.first or 0)}" must be written by one process, got {size:,} bytes, '
                f"of which this one knows {own:,}; stop this run, and leave the lock file of a process that is alive"
            )

    def _make_room(self, now: int) -> None:
        """Begin a segment if there is none, or if the last one is full."""
        tail = self._tail
        if self._file is None:
            self._begin(now)
        elif tail.byte >= self._segment_bytes or now - tail.began >= self._segment_ns:
            self.sync()
            self._close_file()
            self._begin(now)
            self._delete(now)

    def _begin(self, now: int) -> None:
        tail = self._tail
        self._file = self._opened(tail.arrival)
        self._is_new = True
        try:
            self._file.truncate(0)  # left by a process that was killed here, or by a disk that was full
            tail.first, tail.byte, self._refused = tail.arrival, 0, 0
            at = max(now - 1, tail.at + 1)  # so that the record that needs the segment can have its own time
            self._write([Record(tail.arrival, 1, at, "", Kind.SOURCES, tail.index())])
        except BaseException:
            self._close_file()
            raise

    def _opened(self, first: int) -> io.FileIO:
        return open(path_of(self.folder, first), "ab", buffering=0)

    def _close_file(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def sync(self) -> None:
        """Make all records outlive a loss of power.

        Raises:
            WriteRefused: If the disk fails.
        """
        with self._mutex:
            try:
                if self._file is not None:
                    os.fsync(self._file.fileno())
                if self._is_new and sys.platform != "win32":
                    self._sync_folder()
            except OSError as error:
                raise WriteRefused(
                    f'journal: "{self.folder}" must be on a disk that can be synced, got '
                    f"{os.strerror(error.errno or 0)}; check the disk"
                ) from error
            self._is_new = False

    def _sync_folder(self) -> None:
        fd = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def confirm(self, source: str, arrival: int) -> None:
        """Note that a run needs nothing of a source before `arrival` any more."""
        with self._mutex:
            self._confirmed[source] = arrival
            if self.retention is not None and self.retention.until_checkpointed:
                self._delete(self._tail.at)

    def _delete(self, now: int) -> None:
        """Delete the segments that the retention no longer keeps."""
        kept = self.retention
        if kept is None:
            return
        found = segments(self.folder)
        paths = [path_of(self.folder, first) for first in found]
        sizes = [os.path.getsize(path) for path in paths]
        age_ns = kept.max_age_ns()
        needed = min((self._confirmed.get(name, 0) for name in self._tail.sources), default=0)
        for i, path in enumerate(paths[:-1]):
            is_over = kept.max_bytes is not None and sum(sizes[i:]) > kept.max_bytes
            is_old = age_ns is not None and now - os.stat(path).st_mtime_ns > age_ns
            if not (is_over or is_old or (kept.until_checkpointed and found[i + 1] <= needed)):
                break
            try:
                os.remove(path)
            except OSError:  # a reader has it open, on Windows: the next segment that is begun tries again
                break

    def close(self) -> None:
        """Close the segment, and let others write. Does nothing if closed."""
        self._close_file()
        self._lock.release()


def open_writer(
    folder: str, owner: str, source: str, retention: Retention | None, *, is_node: bool = False
) -> JournalWriter:
    """Open the writer of a folder for a source, or return the one that this process has open.

    Args:
        folder: Path of the folder, which is made if it does not exist.
        owner: Name of the dag.
        source: Name of the source; `close_writer` gives the writer back.
        retention: How long records are kept; None for ever.
        is_node: True for a node that records answers, which are kept as long as the sources of the folder say.

    Raises:
        SourceError: If another process writes to the folder, it is damaged or cannot be written, the retention is
            another one, or the source is recorded there already.
    """
    path = os.path.realpath(folder)
    with _OPENING:
        writer = _OPEN.get(path)
        if writer is None:
            try:
                writer = _OPEN[path] = JournalWriter(path, owner, retention)
            except OSError as error:
                raise SourceError(
                    f'journal: "{folder}" must be a folder that can be written, got {os.strerror(error.errno or 0)}'
                ) from error
        if not (is_node or writer.has_retention):
            writer.retain(retention)
        elif not is_node and writer.retention != retention:
            raise SourceError(
                f'journal: sources that share the folder "{folder}" must have the same retention, got {retention} and '
                f"{writer.retention}"
            )
        if source in writer.recorded:
            raise SourceError(
                f'journal: each source must be recorded once in "{folder}", got "{source}" twice; use another folder'
            )
        writer.has_retention |= not is_node
        writer.recorded.add(source)
        return writer


def close_writer(writer: JournalWriter, source: str) -> None:
    """Give the writer of a source back; with its last source it is closed."""
    with _OPENING:
        writer.recorded.discard(source)
        if not writer.recorded and _OPEN.get(writer.folder) is writer:
            del _OPEN[writer.folder]
            writer.close()


def _forget_in_child() -> None:
    """Forget the writers of the parent, whose locks are not held here."""
    _OPEN.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)
