"""Rows of the database: every one is sealed by a checksum, so that damage is never taken for content."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, NamedTuple

from rxdag.checkpoints._faults import Damage, is_damage
from rxdag.checkpoints._lock import Note
from rxdag.checkpoints._store import Checkpoint
from rxdag.checkpoints._tables import PIECE_BYTES, VERSION
from rxdag.errors import CheckpointError, text_of


class Found(NamedTuple):
    """The newest checkpoint that is whole, and what is wrong with the file; None if nothing is."""

    checkpoint: Checkpoint | None
    damage: str | None


@dataclass
class Content:
    """The checksum over all names and pieces of a checkpoint, in their order."""

    pieces: int = 0
    size: int = 0
    _hash: Any = field(default_factory=lambda: blake2b(digest_size=16))

    def add(self, name: str, piece: bytes | memoryview) -> None:
        self.pieces += 1
        self.size += len(piece)
        self._hash.update(repr((name, len(piece))).encode())
        self._hash.update(piece)

    def digest(self) -> bytes:
        found: bytes = self._hash.digest()
        return found


@contextlib.contextmanager
def snapshot(db: sqlite3.Connection) -> Generator[None]:
    """Read from one state of the database, whatever is committed meanwhile."""
    db.execute("begin")
    try:
        yield
    finally:
        if db.in_transaction:
            db.execute("rollback")


def _seal(*values: object) -> bytes:
    return blake2b(repr((VERSION, *values)).encode(errors="backslashreplace"), digest_size=16).digest()


def write_store(db: sqlite3.Connection, identity: str, last: int) -> None:
    """Write the row of the store itself."""
    db.execute("delete from store")
    db.execute("insert into store values (?, ?, ?)", (identity, last, _seal(identity, last)))


def read_store(db: sqlite3.Connection) -> tuple[str, int]:
    """Return the identity of the store and the last id that was used.

    Raises:
        Damage: If the row is damaged.
    """
    with _damage("store"):
        for identity, last, seal in db.execute("select identity, last, seal from store"):
            if seal == _seal(identity, last):
                return str(identity), int(last)
    raise Damage("the row of the store is damaged")


def write_checkpoint(db: sqlite3.Connection, checkpoint: Checkpoint, pieces: int, digest: bytes) -> None:
    """Write, or replace, the row of a checkpoint.

    Args:
        db: Database, in a transaction.
        checkpoint: Facts about it.
        pieces: Number of its pieces.
        digest: Checksum of its content.
    """
    each = checkpoint
    row = (each.id, each.at_ns, int(each.is_done), each.bytes, each.graph, pieces, digest, int(each.is_pinned))
    db.execute("insert or replace into checkpoint values (?, ?, ?, ?, ?, ?, ?, ?, ?)", (*row, _seal(*row)))


def read_row(db: sqlite3.Connection, number: int) -> tuple[Checkpoint, int, bytes] | None:
    """Return a checkpoint, its number of pieces and the checksum of its content; None if there is none.

    Raises:
        Damage: If its row is damaged.
    """
    with _damage(f"checkpoint {number}"):
        row: Any = db.execute(
            "select id, at_ns, is_done, bytes, graph, pieces, content, is_pinned, seal from checkpoint where id = ?",
            (number,),
        ).fetchone()
    if row is None:
        return None
    *values, seal = row
    if seal != _seal(*values):
        raise Damage(f"the row of checkpoint {number} is damaged")
    given, at_ns, is_done, size, graph, pieces, content, is_pinned = values
    return Checkpoint(given, at_ns, bool(is_done), size, graph, bool(is_pinned)), pieces, content


def write_part(db: sqlite3.Connection, number: int, name: str, data: bytes, content: Content) -> None:
    """Write a part of a checkpoint in pieces, at least one, and add them to its content."""
    view = memoryview(data)
    for start in range(0, max(len(view), 1), PIECE_BYTES):
        write_piece(db, number, name, view[start : start + PIECE_BYTES], content)


def write_piece(db: sqlite3.Connection, number: int, name: str, piece: bytes | memoryview, content: Content) -> None:
    """Write a piece behind those of the content, and add it to them."""
    db.execute("insert into piece values (?, ?, ?, ?)", (number, content.pieces, name, piece))
    content.add(name, piece)


def read_pieces(db: sqlite3.Connection, number: int) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the data of each piece; when the last one was yielded, all are checked.

    Raises:
        Damage: If one of them, or the row of the checkpoint, is damaged or missing.
    """
    found = read_row(db, number)
    if found is None:
        raise Damage(f"checkpoint {number} is missing")
    checkpoint, pieces, digest = found
    content = Content()
    with _damage(f"checkpoint {number}"):
        for name, data in db.execute("select name, data from piece where checkpoint = ? order by position", (number,)):
            if not isinstance(data, bytes):
                raise Damage(f"the content of checkpoint {number} is damaged")
            content.add(name, data)
            yield name, data
    if (content.pieces, content.size, content.digest()) != (pieces, checkpoint.bytes, digest):
        raise Damage(f"the content of checkpoint {number} is damaged")


def ids_of(db: sqlite3.Connection) -> list[int]:
    """Return the ids of all checkpoints, newest first.

    Raises:
        Damage: If they cannot be read.
    """
    with _damage("the list of checkpoints"):
        return [number for (number,) in db.execute("select id from checkpoint order by id desc")]


def newest(db: sqlite3.Connection, note: Note) -> Found:
    """Find the newest checkpoint that is whole; all of it is read.

    Args:
        db: Database, in a snapshot.
        note: Note beside the store, read before the snapshot was taken.
    """
    damage: list[str] = []
    last, ids = 0, list[int]()
    try:
        identity, last = read_store(db)
        last = max(last, note.last if note.identity == identity else 0)
        ids = ids_of(db)
        if (ids[0] if ids else 0) != last:
            damage.append(f"checkpoint {last} is missing")
    except Damage as error:
        damage.append(text_of(error))
        ids = ids_left(db)
    for number in ids:
        try:
            for _ in read_pieces(db, number):
                pass
            found = read_row(db, number)
            return Found(found and found[0], damage[0] if damage else None)
        except Damage as error:
            damage.append(text_of(error))
    return Found(None, damage[0] if damage else None)


def ids_left(db: sqlite3.Connection) -> list[int]:
    """Return the ids, newest first, that can still be read."""
    ids: list[int] = []
    for order in ("desc", "asc"):
        with contextlib.suppress(sqlite3.Error):
            ids += (number for (number,) in db.execute(f"select id from checkpoint order by id {order}"))
    return sorted(set(ids), reverse=True)


@contextlib.contextmanager
def _damage(what: str) -> Generator[None]:
    """Turn what SQLite says of a damaged page into Damage; other errors, as of the disk, pass."""
    try:
        yield
    except sqlite3.Error as error:
        if is_damage(error):
            raise Damage(f"{what} cannot be read: {' '.join(text_of(error).split())}") from error
        raise


def damaged(where: str, found: Found) -> CheckpointError:
    """Return the error for a file that is damaged."""
    fix = (
        "restore a backup, or choose another path to start over"
        if found.checkpoint is None
        else f'checkpoint {found.checkpoint.id} is whole, and on_damage="previous" goes on from it'
    )
    return CheckpointError(
        f"{where}: must be undamaged, got damage: {found.damage}; {fix}",
        whole=None if found.checkpoint is None else found.checkpoint.id,
    )
