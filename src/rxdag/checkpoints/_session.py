"""The session of a SQLite store: one transaction per checkpoint."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from rxdag.checkpoints._faults import explained
from rxdag.checkpoints._lock import Lock
from rxdag.checkpoints._rows import Content, read_store, write_checkpoint, write_part, write_store
from rxdag.checkpoints._session_rules import check_facts, check_open, check_part, needs_begun
from rxdag.checkpoints._store import Checkpoint
from rxdag.checkpoints._tables import close_writer, settle
from rxdag.contract import refuse_fork
from rxdag.errors import CheckpointError


@dataclass
class _Begun:
    """A checkpoint that is being written."""

    number: int
    content: Content = field(default_factory=Content)
    names: set[str] = field(default_factory=set[str])


@dataclass(frozen=True)
class Opened:
    """The parts of an opened store.

    Attributes:
        where: Description of the store, for messages.
        path: Path of its file, without symlinks.
        db: Connection that writes.
        lock: Lock of the store.
        read: Reads the parts of a checkpoint on another connection.
        keep: Number of checkpoints to keep.
        identity: Identity of the store.
        last: Last id that was used in it.
    """

    where: str
    path: str
    db: sqlite3.Connection
    lock: Lock
    read: Callable[[int], Mapping[str, bytes]]
    keep: int
    identity: str
    last: int


class SqliteSession:
    """An opened SQLite store. Thread-safe."""

    def __init__(self, opened: Opened, latest: Checkpoint | None) -> None:
        self._opened = opened
        self._db = opened.db
        self._latest = latest
        self._last = opened.last
        self._begun: _Begun | None = None
        self._is_open = True
        self._mutex = threading.RLock()
        self._pid = os.getpid()
        self._file = _file_id(opened.path)

    @property
    def identity(self) -> str:
        """Text that is unique to the store; a fork has another one."""
        return self._opened.identity

    @property
    def path(self) -> str:
        """Path of the file, without symlinks."""
        return self._opened.path

    def latest(self) -> Checkpoint | None:
        """Return the newest committed checkpoint; None if there is none."""
        return self._latest

    def read(self, id: int) -> Mapping[str, bytes]:  # noqa: A002
        """Return the parts of a checkpoint by name."""
        return self._opened.read(id)

    def begin(self) -> int:
        """Begin a checkpoint, and return its id."""
        with self._writing("begin"):
            self._roll_back()
            self._check_file()
            self._db.execute("begin immediate")
            # Older ones first, so that their space is used for this one.
            self._db.execute(
                "delete from checkpoint where not is_pinned "
                "and id not in (select id from checkpoint order by id desc limit ?)",
                (self._opened.keep - 1,),
            )
            self._db.execute("delete from piece where checkpoint not in (select id from checkpoint)")
            self._check_last()
            self._begun = _Begun(self._last + 1)
            return self._begun.number

    def put(self, name: str, data: bytes) -> None:
        """Add a part to the checkpoint that was begun."""
        with self._writing("put"):
            begun = needs_begun(self._opened.where, self._begun, "put")
            check_part(self._opened.where, name, data, begun.names)
            write_part(self._db, begun.number, name, data, begun.content)
            begun.names.add(name)

    def commit(self, *, graph: str, at_ns: int, is_done: bool = False) -> Checkpoint:
        """Make the checkpoint durable, and return it."""
        with self._writing("commit"):
            begun = needs_begun(self._opened.where, self._begun, "commit")
            check_facts(self._opened.where, graph, at_ns, is_done)
            self._check_file()
            checkpoint = Checkpoint(begun.number, at_ns, is_done, begun.content.size, graph)
            write_checkpoint(self._db, checkpoint, begun.content.pieces, begun.content.digest())
            write_store(self._db, self.identity, checkpoint.id)
            self._db.execute("commit")
            self._begun, self._latest, self._last = None, checkpoint, checkpoint.id
            settle(self._db)
            with contextlib.suppress(OSError):  # the checkpoint is durable without the witness
                self._opened.lock.remember(self.identity, checkpoint.id)
            return checkpoint

    def abandon(self) -> None:
        """Drop the checkpoint that was begun, if any."""
        with self._writing("abandon"):
            self._roll_back()

    def close(self) -> None:
        """Drop a checkpoint that was not committed, and let others open the store."""
        with self._mutex:
            if self._is_open and self._pid == os.getpid():
                self._is_open = False
                try:
                    self._roll_back()
                finally:
                    close_writer(self._db)
                    self._opened.lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.close()

    @contextlib.contextmanager
    def _writing(self, verb: str) -> Generator[None]:
        """Serialise calls, and abandon the checkpoint if one fails."""
        where = self._opened.where
        refuse_fork(self._pid, where)
        with self._mutex, explained(where):
            check_open(where, self._is_open, verb)
            try:
                yield
            except BaseException:
                self._roll_back()
                raise

    def _roll_back(self) -> None:
        self._begun = None
        if self._db.in_transaction:
            with contextlib.suppress(sqlite3.Error):  # SQLite has done it already where it could not go on
                self._db.execute("rollback")

    def _check_last(self) -> None:
        """Raise CheckpointError if another run has written to the store: the lock is lost if its file is deleted."""
        _, last = read_store(self._db)
        if last != self._last:
            raise CheckpointError(
                f"{self._opened.where}: must be used by one run at a time, got checkpoint {last} of another run after "
                f"{self._last} of this one; stop this run, and do not delete the -lock file of a run that is alive"
            )

    def _check_file(self) -> None:
        """Raise CheckpointError if the file has lost its name: what is written to it would be lost."""
        if _file_id(self._opened.path) != self._file:
            raise CheckpointError(
                f"{self._opened.where}: must be the file that was opened, got another one or none; "
                "put it back, or restart the run"
            )


def _file_id(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino
