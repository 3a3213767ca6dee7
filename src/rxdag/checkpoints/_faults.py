"""Errors of SQLite and of the system, as one line with the path and the fix."""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
from collections.abc import Generator
from typing import Final

from rxdag.errors import CheckpointError, text_of

_FULL: Final = "the disk is full; free some space or choose another disk"
_FORBIDDEN: Final = "permission denied; choose a file and a directory that you may write to"
_READ_ONLY: Final = "the file, its directory or its disk is read-only; choose a path that you may write to"
_BY_CODE: Final = {
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_READONLY: _READ_ONLY,
    sqlite3.SQLITE_PERM: _FORBIDDEN,
    sqlite3.SQLITE_CANTOPEN: "the file cannot be opened; check that its directory exists and that you may write to both",
    sqlite3.SQLITE_BUSY: "another process is using the file; try again when it has finished",
    sqlite3.SQLITE_LOCKED: "another connection is using the file; try again when it has finished",
    sqlite3.SQLITE_NOTADB: (
        "must be a store of checkpoints, got a file that is no SQLite database; choose another path, or restore a backup"
    ),
    sqlite3.SQLITE_PROTOCOL: "the file cannot be locked; choose a path on a local disk",
}
_BY_ERRNO: Final = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: "the disk quota is used up; free some space or choose another disk",
    errno.EACCES: _FORBIDDEN,
    errno.EPERM: _FORBIDDEN,
    errno.EROFS: _READ_ONLY,
    errno.ENOTDIR: "a part of the path is a file; choose another path",
    errno.EEXIST: "a part of the path is a file; choose another path",
}


class Damage(Exception):
    """Raised if a row of the database, or what it stands for, is damaged; says which."""


@contextlib.contextmanager
def explained(where: str) -> Generator[None]:
    """Turn errors of SQLite and of the system, and damage, into CheckpointErrors."""
    try:
        yield
    except Damage as error:
        raise CheckpointError(f"{where}: {_damaged(text_of(error))}") from error
    except sqlite3.Error as error:
        raise CheckpointError(f"{where}: {_reason(error)}") from error
    except OSError as error:
        said = _BY_ERRNO.get(error.errno or 0, os.strerror(error.errno) if error.errno else text_of(error))
        raise CheckpointError(f"{where}: {said}") from error


def _reason(error: sqlite3.Error) -> str:
    """Return what is wrong, and the fix, in one line."""
    code: int = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    text = " ".join(text_of(error).split())
    if code & 0xFF == sqlite3.SQLITE_IOERR:
        return f"{text} ({error.sqlite_errorname}); check that the disk is there, writable and not full"
    return _BY_CODE.get(code & 0xFF) or _damaged(text)


def _damaged(text: str) -> str:
    return f"must be undamaged, got damage: {text}; restore a backup, or choose another path"


def is_damage(error: sqlite3.Error) -> bool:
    """Return False for errors that a whole file may cause, such as a lock or a failing disk."""
    code: int = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
    return code & 0xFF == sqlite3.SQLITE_NOTADB or code & 0xFF not in (*_BY_CODE, sqlite3.SQLITE_IOERR)
