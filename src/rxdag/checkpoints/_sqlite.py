"""The SQLite store: one file that holds the checkpoints of a run."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeAlias, get_args

import msgspec

from rxdag.checkpoints._copies import copy_to, create, keep_whole
from rxdag.checkpoints._faults import Damage, explained, is_damage
from rxdag.checkpoints._lock import Lock, Note, read_note
from rxdag.checkpoints._rows import (
    Found,
    damaged,
    ids_of,
    newest,
    read_pieces,
    read_row,
    read_store,
    snapshot,
    write_checkpoint,
)
from rxdag.checkpoints._session import Opened, SqliteSession
from rxdag.checkpoints._session_rules import check_id
from rxdag.checkpoints._store import Checkpoint
from rxdag.checkpoints._tables import check_header, close_writer, connect_reader, connect_writer, roll_back
from rxdag.contract import checked_path, nearest_file, whole
from rxdag.errors import CheckpointError, GraphError, shown, text_of

OnDamage: TypeAlias = Literal["raise", "previous"]
"""Policies for a damaged store: "raise" an error, or go back to the "previous" checkpoint that is whole."""


def sqlite(path: str | os.PathLike[str], *, keep: int = 2, on_damage: OnDamage = "raise") -> SqliteStore:
    """Keep checkpoints in one SQLite file.

    The definition touches no disk; the file and its directory are made when the store is opened. Only one run can have
    it open; the lock is the system's, and free as soon as the process is dead. SQLite's log and a small file for the lock
    stand beside the file, with the endings "-wal", "-shm" and "-lock". Copy a store with `backup`, since a copied file may
    lack what is in the log.

    Each checkpoint is one transaction, durable when `commit` returns. Checksums cover every byte that is read, so that a
    damaged file is an error, never other content. The file for the lock holds the id of the last checkpoint: if the log
    is damaged, or an older file is put in place, that checkpoint is missing, which is damage too. To restore a backup,
    delete "-wal" and "-shm", copy it to the path, and open it with `on_damage="previous"`.

    Args:
        path: Path of the file, on a local disk. A relative one counts from the working directory when it is used.
        keep: Number of newest checkpoints to keep, 1 or more, beside pinned ones.
        on_damage: What to do when a damaged file is opened: "raise" an error, or go back to the "previous" checkpoint
            that is whole and drop the others. Sinks may be ahead of that one.

    Raises:
        GraphError: If an argument is invalid.

    Example:
        >>> store = checkpoints.sqlite("state/bars.db")
        >>> store.keep
        2
    """
    if on_damage not in get_args(OnDamage):
        raise GraphError(f'checkpoints.sqlite: on_damage must be "raise" or "previous", got {shown(on_damage)}')
    return SqliteStore(
        checked_path(path, "checkpoints.sqlite"), whole(keep, "checkpoints.sqlite: keep", least=1), on_damage
    )


@dataclass(frozen=True)
class SqliteStore:
    """Checkpoints in one SQLite file: what `checkpoints.sqlite` returns.

    All methods but `open` also work while a run has the store open.

    Attributes:
        path: Path of the file, as it was given.
        keep: Number of newest checkpoints to keep.
        on_damage: What to do when a damaged file is opened.
    """

    path: str
    keep: int
    on_damage: OnDamage

    def open(self, owner: str) -> SqliteSession:
        """Open the store for one run; make the file if there is none.

        Args:
            owner: Name of the dag, shown to others that want to open the store.

        Raises:
            CheckpointError: If it is in use, and by whom; if it cannot be opened, or is no store; or if it is damaged.
        """
        with explained(self._where), contextlib.ExitStack() as undo:
            path = self._path
            os.makedirs(os.path.dirname(path), exist_ok=True)
            _check_file(path, self._where)
            lock = Lock(path, self._where, owner)
            undo.callback(lock.release)
            if os.path.exists(path):
                roll_back(path)
            else:
                create(path)
            with self._reading(path) as (db, note):
                found = self._settled(_checked(db, note))
            db = connect_writer(path, self._where)
            undo.callback(close_writer, db)
            if found.damage is not None:
                keep_whole(db, note)
            identity, last = read_store(db)
            lock.remember(identity, last)
            opened = Opened(self._where, path, db, lock, partial(self._read, path), self.keep, identity, last)
            undo.pop_all()
            return SqliteSession(opened, found.checkpoint)

    def latest(self) -> Checkpoint | None:
        """Return the newest checkpoint, after all of it was checked; None if there is none.

        Raises:
            CheckpointError: If there is no store, or it is damaged and `on_damage` is "raise" or no checkpoint is whole.
        """
        with self._reading(self._path) as (db, note):
            return self._settled(newest(db, note)).checkpoint

    def read(self, id: int) -> Mapping[str, bytes]:  # noqa: A002
        """Return the parts of a checkpoint by name, in the order in which they were put.

        Raises:
            CheckpointError: If there is no such checkpoint, or it is damaged.
        """
        return self._read(self._path, id)

    def _read(self, path: str, number: int) -> Mapping[str, bytes]:
        parts: dict[str, list[bytes]] = {}
        with self._reading(path) as (db, _):
            self._row(db, number)
            for name, piece in read_pieces(db, number):
                parts.setdefault(name, []).append(piece)
        return {name: pieces[0] if len(pieces) == 1 else b"".join(pieces) for name, pieces in parts.items()}

    def list(self) -> tuple[Checkpoint, ...]:
        """Return all checkpoints, oldest first. Their content is not read.

        Raises:
            CheckpointError: If there is no store, or its list of checkpoints is damaged.
        """
        with self._reading(self._path) as (db, _):
            rows = [read_row(db, number) for number in reversed(ids_of(db))]
        return tuple(row[0] for row in rows if row is not None)

    def pin(self, id: int) -> None:  # noqa: A002
        """Keep a checkpoint until it is unpinned, however old it gets.

        Raises:
            CheckpointError: If there is no such checkpoint, or the file cannot be written.
        """
        self._set_pinned(id, is_pinned=True)

    def unpin(self, id: int) -> None:  # noqa: A002
        """Keep a checkpoint no longer than the others of its age; it is deleted with them.

        Raises:
            CheckpointError: If there is no such checkpoint, or the file cannot be written.
        """
        self._set_pinned(id, is_pinned=False)

    def _set_pinned(self, number: int, *, is_pinned: bool) -> None:
        with explained(self._where), contextlib.ExitStack() as last:
            db = connect_writer(self._existing(self._path), self._where)
            last.callback(close_writer, db)
            check_header(db, self._where)
            db.execute("begin immediate")
            with self._undamaged(db, Note()):
                checkpoint, pieces, digest = self._row(db, number)
            write_checkpoint(db, msgspec.structs.replace(checkpoint, is_pinned=is_pinned), pieces, digest)
            db.execute("commit")

    def backup(self, to: str | os.PathLike[str]) -> None:
        """Copy the store into one file, as of one moment, while a run goes on.

        Args:
            to: Path of the copy, where no file is. Its directory is created if missing.

        Raises:
            CheckpointError: If there is a file, the copy cannot be written, or the store is damaged.
        """
        target = checked_path(to, "backup: to")
        with explained(self._where):
            copy_to(self._existing(self._path), target, self._where, is_fork=False)

    def fork(self, to: str | os.PathLike[str]) -> SqliteStore:
        """Copy the store as `backup` does, with an identity of its own, and return the copy.

        Args:
            to: Path of the copy, where no file is. Its directory is created if missing.

        Raises:
            CheckpointError: If there is a file, the copy cannot be written, or the store is damaged.
        """
        target = checked_path(to, "fork: to")
        with explained(self._where):
            copy_to(self._existing(self._path), target, self._where, is_fork=True)
        return SqliteStore(target, self.keep, self.on_damage)

    @property
    def _where(self) -> str:
        return f'checkpoints "{self.path}"'

    @property
    def _path(self) -> str:
        """The path without symlinks, by which all that lead to the file have one lock."""
        return os.path.realpath(self.path)

    def _existing(self, path: str) -> str:
        """Return the path; raise CheckpointError if no file is there."""
        _check_file(path, self._where)
        if not os.path.exists(path):
            raise CheckpointError(f"{self._where}: must be a file that exists, got none{nearest_file(self.path)}")
        return path

    @contextlib.contextmanager
    def _reading(self, path: str) -> Generator[tuple[sqlite3.Connection, Note]]:
        """Open one state of the database to read from it, beside whoever writes, and the note beside it."""
        with explained(self._where):
            note = read_note(self._existing(path))  # before the database, which may go on meanwhile
            with contextlib.closing(connect_reader(path)) as db, snapshot(db):
                check_header(db, self._where)
                with self._undamaged(db, note):
                    yield db, note

    @contextlib.contextmanager
    def _undamaged(self, db: sqlite3.Connection, note: Note) -> Generator[None]:
        """Turn damage into a CheckpointError that names a checkpoint that is whole."""
        try:
            yield
        except Damage as error:
            raise damaged(self._where, newest(db, note)._replace(damage=text_of(error))) from error

    def _row(self, db: sqlite3.Connection, number: int) -> tuple[Checkpoint, int, bytes]:
        check_id(self._where, number, ids_of(db))
        row = read_row(db, number)
        if row is None:
            raise Damage(f"checkpoint {number} is missing")
        return row

    def _settled(self, found: Found) -> Found:
        """Return what was found, unless it is damaged and must not be."""
        if found.damage is not None and (self.on_damage == "raise" or found.checkpoint is None):
            raise damaged(self._where, found)
        return found


def _check_file(path: str, where: str) -> None:
    """Raise CheckpointError if there is something that no store can be."""
    if os.path.isdir(path):
        raise CheckpointError(f"{where}: must be a file, got a directory; add a file name to the path")
    # A store takes its name when its header is written, so an empty file was cut, or is another one.
    if os.path.exists(path) and not os.path.getsize(path):
        raise CheckpointError(
            f"{where}: must be a store of checkpoints, got an empty file; restore a backup, or delete it"
        )


def _checked(db: sqlite3.Connection, note: Note) -> Found:
    """Find the newest checkpoint that is whole, and damage anywhere in the file, which must not be written to then."""
    found = newest(db, note)
    if found.damage is None:
        try:
            (text,) = db.execute("pragma quick_check(1)").fetchone()
        except sqlite3.Error as error:
            if not is_damage(error):
                raise
            text = text_of(error)
        if text != "ok":
            return found._replace(damage=" ".join(str(text).removeprefix("*** in database main ***").split()))
    return found
