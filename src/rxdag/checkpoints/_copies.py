"""Copies of a database: backups, forks, and what is left of a damaged one."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import uuid

from rxdag.checkpoints._faults import Damage
from rxdag.checkpoints._lock import Note, read_note
from rxdag.checkpoints._rows import (
    Content,
    damaged,
    ids_left,
    newest,
    read_pieces,
    read_row,
    read_store,
    write_checkpoint,
    write_piece,
    write_store,
)
from rxdag.checkpoints._tables import (
    check_header,
    connect,
    connect_reader,
    create_tables,
    move,
    remove,
    settle,
    tolerate_cuts,
)
from rxdag.errors import CheckpointError


def create(path: str) -> None:
    """Make an empty store at a path where no file is, in one step."""
    part = f"{path}.part"
    remove(part)
    remove(path)  # its log, if somebody has deleted a store and left that
    with contextlib.closing(connect(part, "rwc")) as db:
        create_tables(db)
        write_store(db, uuid.uuid4().hex, 0)
    move(part, path)


def copy_to(path: str, to: str, where: str, *, is_fork: bool) -> None:
    """Copy a database to a path where no file is, in one step; a fork gets an identity of its own."""
    to = os.path.realpath(to)
    if os.path.lexists(to):
        raise CheckpointError(f'{where}: must be copied to a path where no file is, got "{to}"; choose another one')
    os.makedirs(os.path.dirname(to), exist_ok=True)
    part = f"{to}.part"
    remove(part)
    note = read_note(path)
    try:
        with contextlib.closing(connect_reader(path)) as db, contextlib.closing(connect(part, "rwc")) as copy:
            check_header(db, where)
            db.backup(copy)
            copy.execute("pragma journal_mode = delete").fetchall()
            found = newest(copy, note)
            if found.damage is not None:
                raise damaged(where, found)
            if is_fork:
                _, last = read_store(copy)
                write_store(copy, uuid.uuid4().hex, last)
        move(part, to)
    finally:
        remove(part)


def keep_whole(db: sqlite3.Connection, note: Note) -> None:
    """Replace a damaged database by one that has its whole checkpoints, in one transaction."""
    tolerate_cuts(db)
    ids = ids_left(db)
    try:
        identity, last = read_store(db)
    except Damage:
        identity, last = note.identity or uuid.uuid4().hex, max([0, *ids])
    with contextlib.closing(sqlite3.connect("", isolation_level=None)) as copy:  # a temporary file
        create_tables(copy)
        copy.execute("begin")
        for number in reversed(ids):
            copy.execute("savepoint one")
            try:
                _copy_checkpoint(db, copy, number)
            except Damage:
                copy.execute("rollback to one")
            copy.execute("release one")
        # No id is used twice, not even one of which only the note is left.
        write_store(copy, identity, max(last, note.last if note.identity == identity else 0))
        copy.execute("commit")
        copy.backup(db)
    db.execute("pragma writable_schema = reset").fetchall()
    settle(db)


def _copy_checkpoint(db: sqlite3.Connection, copy: sqlite3.Connection, number: int) -> None:
    row = read_row(db, number)
    if row is None:
        raise Damage(f"checkpoint {number} is missing")
    content = Content()
    for name, piece in read_pieces(db, number):
        write_piece(copy, number, name, piece, content)
    write_checkpoint(copy, row[0], content.pieces, content.digest())
