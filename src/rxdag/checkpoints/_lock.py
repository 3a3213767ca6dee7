"""The lock of a store: held by the system for a process, so that it is free as soon as the process is dead."""

from __future__ import annotations

import os
import socket
import sys
import time
import weakref
from typing import Final

import msgspec

from rxdag.contract import iso_utc
from rxdag.errors import CheckpointError, shown

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_BEHIND: Final = 1 << 30
"""Offset of the byte that is locked on Windows, where the text must stay readable for others."""
_MOST_BYTES: Final = 1 << 16
_SECOND: Final = 1_000_000_000


class Note(msgspec.Struct):
    """The text of the file beside a store: who holds the lock, and the last checkpoint that was committed.

    It is a witness: if SQLite's log is damaged, the newest transaction is missing, and nothing in the database tells it.
    """

    pid: int = 0
    host: str = ""
    since_ns: int = 0
    owner: str = ""
    identity: str = ""
    last: int = 0


def read_note(path: str) -> Note:
    """Return the note beside a store; an empty one if there is none, or if it cannot be read."""
    try:
        with open(f"{path}-lock", "rb") as file:
            return msgspec.json.decode(file.read(_MOST_BYTES), type=Note)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return Note()


class Lock:
    """The lock of one store, from construction to `release`.

    Args:
        path: Path of the store, without symlinks.
        where: Description of the store, for messages.
        owner: Name of the dag.

    Raises:
        CheckpointError: If somebody else holds it.
        OSError: If the file cannot be made.
    """

    def __init__(self, path: str, where: str, owner: str) -> None:
        fd = os.open(f"{path}-lock", os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
        self._file = os.fdopen(fd, "r+b", buffering=0)  # a file object is closed, and the lock free, if it is forgotten
        try:
            if not _is_locked_now(fd):
                raise CheckpointError(f"{where}: must be used by one run at a time, got {_holder(read_note(path))}")
            before = read_note(path)
            self._note = Note(
                os.getpid(),
                socket.gethostname(),
                time.time_ns(),
                shown(owner)[1:-1],
                identity=before.identity,
                last=before.last,
            )
            self._write()
        except BaseException:
            self.release()
            raise
        _HELD.add(self)

    def remember(self, identity: str, last: int) -> None:
        """Write down the last checkpoint that was committed."""
        self._note.identity, self._note.last = identity, last
        self._write()

    def _write(self) -> None:
        # Of one length as a rule, so that one write replaces all of it.
        data = msgspec.json.encode(self._note).ljust(1024) + b"\n"
        self._file.seek(0)
        self._file.write(data)
        self._file.truncate(len(data))

    def release(self) -> None:
        """Close the file, which frees the lock. Does nothing if released."""
        self._file.close()


_HELD: Final[weakref.WeakSet[Lock]] = weakref.WeakSet()


def _forget_in_child() -> None:
    """Close the files of all locks in a forked child, which would hold them as long as it lives."""
    for lock in list(_HELD):
        lock.release()


if sys.platform == "win32":

    def _is_locked_now(fd: int) -> bool:
        """Take the lock; return False if somebody else holds it."""
        os.lseek(fd, _BEHIND, os.SEEK_SET)
        try:
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        return True

else:
    os.register_at_fork(after_in_child=_forget_in_child)

    def _is_locked_now(fd: int) -> bool:
        """Take the lock; return False if somebody else holds it."""
        # Not lockf: that lock is one per process, and is lost when the process closes any other handle of the file.
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def _holder(note: Note) -> str:
    if not note.pid:
        return "another run that is about to start; try again"
    return (
        f'dag "{note.owner}" in process {note.pid} on host "{note.host}" since {iso_utc(note.since_ns // _SECOND * _SECOND)}; '
        "stop that run, or choose another path"
    )
