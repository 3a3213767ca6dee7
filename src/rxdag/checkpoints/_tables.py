"""The database file: its tables, how it is made, opened and recognised."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
from pathlib import Path
from typing import Final, Literal

from rxdag.errors import CheckpointError

APPLICATION_ID: Final = 0x7278_6463
"""The letters "rxdc", in the header of the file."""
VERSION: Final = 1
PIECE_BYTES: Final = 16_000_000
"""Largest blob; a larger part is split."""
_WAIT_S: Final = 30.0
"""Longest wait for a transaction of another connection."""
_PAGE_BYTES: Final = 16_384
_TABLES: Final = (
    "CREATE TABLE store(identity text, last integer, seal blob)",
    "CREATE TABLE checkpoint(id integer primary key, at_ns integer, is_done integer, bytes integer, graph text, "
    "pieces integer, content blob, is_pinned integer, seal blob)",
    "CREATE TABLE piece(checkpoint integer, position integer, name text, data blob, primary key(checkpoint, position))",
)


def connect(path: str, mode: Literal["ro", "rw", "rwc"]) -> sqlite3.Connection:
    """Open the database; only "rwc" makes the file."""
    uri = f"{Path(path).as_uri()}?mode={mode}"
    return sqlite3.connect(uri, uri=True, timeout=_WAIT_S, isolation_level=None, check_same_thread=False)


def connect_reader(path: str) -> sqlite3.Connection:
    """Open the database to read what can still be read."""
    db = connect(path, "ro")
    tolerate_cuts(db)
    return db


def roll_back(path: str) -> None:
    """Undo a change of the journal mode in which a process was killed; no reader can, since it must write."""
    if os.path.exists(f"{path}-journal"):
        with contextlib.closing(connect(path, "rw")) as db:
            db.execute("pragma user_version").fetchall()


def tolerate_cuts(db: sqlite3.Connection) -> None:
    """Let SQLite open a file that was cut: some of its checkpoints may be whole."""
    db.execute("pragma writable_schema = on").fetchall()


def connect_writer(path: str, where: str) -> sqlite3.Connection:
    """Open the database to write to it: durable at each commit, readable by others meanwhile."""
    db = connect(path, "rw")
    try:
        ((mode,),) = db.execute("pragma journal_mode = wal").fetchall()
        if mode != "wal":
            raise CheckpointError(
                f"{where}: must be on a disk that SQLite's log works on, got {mode}; choose a local disk"
            )
        for setting in ("synchronous = full", "wal_autocheckpoint = 0", "secure_delete = off"):
            db.execute(f"pragma {setting}").fetchall()
    except BaseException:
        db.close()
        raise
    return db


def close_writer(db: sqlite3.Connection) -> None:
    """Close a connection that writes, and leave one plain file, which needs no right to write to be read."""
    try:
        settle(db)
        with contextlib.suppress(sqlite3.Error):  # others are reading
            db.execute("pragma busy_timeout = 0").fetchall()
            db.execute("pragma journal_mode = delete").fetchall()
    finally:
        db.close()


def create_tables(db: sqlite3.Connection) -> None:
    """Make an empty database a store; the caller adds the row of `store`."""
    db.execute(f"pragma page_size = {_PAGE_BYTES}")
    db.execute(f"pragma application_id = {APPLICATION_ID}")
    db.execute(f"pragma user_version = {VERSION}")
    for table in _TABLES:
        db.execute(table)


def check_header(db: sqlite3.Connection, where: str) -> None:
    """Raise CheckpointError if the file is no store of this format, or sqlite3.Error if it is no database."""
    application = _pragma(db, "application_id")
    if application != APPLICATION_ID:
        raise CheckpointError(f"{where}: must be a store of checkpoints, got another database; choose another path")
    version = _pragma(db, "user_version")
    if version > VERSION:
        raise CheckpointError(f"{where}: must have format {VERSION}, got format {version}; upgrade rxdag")
    found = {sql for (sql,) in db.execute("select sql from sqlite_schema where sql is not null")}
    if version != VERSION or found != set(_TABLES):
        raise CheckpointError(
            f"{where}: must have the tables of format {VERSION}, got others: the file is damaged; "
            "restore a backup, or choose another path"
        )


def _pragma(db: sqlite3.Connection, name: str) -> int:
    (value,) = db.execute(f"pragma {name}").fetchone()
    return int(value)


def settle(db: sqlite3.Connection) -> None:
    """Move what was committed from the log into the database, and empty the log, unless a reader is at work.

    SQLite takes a damaged log for one that ends there, and so for an older state; an empty one cannot be damaged.
    """
    # What is committed is durable already, in the log: if this fails, the next one does it.
    with contextlib.suppress(sqlite3.Error):
        db.execute("pragma busy_timeout = 0").fetchall()
        db.execute("pragma wal_checkpoint(truncate)").fetchall()
    db.execute(f"pragma busy_timeout = {int(_WAIT_S * 1000)}").fetchall()


def remove(path: str) -> None:
    """Remove a database with its log and journal; they would be applied to the next file of that name."""
    for ending in ("-wal", "-shm", "-journal", ""):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path + ending)


def move(old: str, new: str) -> None:
    """Give a closed database its name, durably."""
    os.replace(old, new)
    if sys.platform != "win32":  # no folder can be opened there
        fd = os.open(os.path.dirname(new), os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
