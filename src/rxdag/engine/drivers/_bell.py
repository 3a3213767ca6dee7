"""Bells: an idle thread sleeps on one until another thread rings it."""

from __future__ import annotations

import os
import select
import threading
import weakref
from typing import Final, Protocol

_MOST_FD: Final = 1023
"""Largest file descriptor that `select` accepts."""


class Bell(Protocol):
    """One thread waits on it; a ring that comes before it waits is not lost. Rings and waits come in pairs."""

    def ring(self) -> None: ...

    def wait(self, timeout_s: float | None) -> bool:
        """Sleep until it is rung; return False on a timeout."""
        ...

    def close(self) -> None:
        """Close the bell, which must not be rung or waited for after this."""
        ...


class LockBell:
    """A lock that the waiting thread acquires; works on every platform."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def ring(self) -> None:
        self._lock.release()

    def wait(self, timeout_s: float | None) -> bool:
        return self._lock.acquire(timeout=-1 if timeout_s is None else min(timeout_s, threading.TIMEOUT_MAX))

    def close(self) -> None: ...


class EventBell:
    """An eventfd, on Linux.

    `eventfd_write` releases the interpreter lock during the system call, so the sleeper finds it free: 4 us a ring.
    `Lock.release` keeps it, so the sleeper wakes in vain, and again once the ringing thread sleeps: 13 us or more.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._close = weakref.finalize(self, os.close, fd)

    def ring(self) -> None:
        os.eventfd_write(self._fd, 1)

    def wait(self, timeout_s: float | None) -> bool:
        if timeout_s is not None and not select.select((self._fd,), (), (), min(timeout_s, threading.TIMEOUT_MAX))[0]:
            return False
        while True:
            try:
                os.eventfd_read(self._fd)
                return True
            except InterruptedError:  # a signal: its handler has run, and has rung if there is work
                continue

    def close(self) -> None:
        self._close()


def new_bell() -> Bell:
    """Return the fastest bell of this platform."""
    try:
        fd = os.eventfd(0, os.EFD_CLOEXEC)
    except (AttributeError, OSError):  # not supported, or too many open files
        return LockBell()
    if fd <= _MOST_FD:
        return EventBell(fd)
    os.close(fd)
    return LockBell()
