"""Files that are there whole or not at all: written beside, then renamed."""

from __future__ import annotations

import contextlib
import errno
import gzip
import os
import re
import secrets
import stat
import sys
from collections.abc import Generator
from functools import partial
from pathlib import Path
from typing import IO, Any, Final

from rxdag.errors import SourceError

if sys.platform != "win32":
    import fcntl

_STREAMS: Final = (Path("/dev"), Path("/dev/fd"), Path("/proc/self/fd"))
"""Directories whose entries are never replaced, even if one stands for a plain file, as /dev/stdout may."""
_IS_PART: Final = re.compile(r"\..+\.[0-9a-f]{8}\.rxdag\.part", re.DOTALL).fullmatch


class WholeFile:
    """A file that gets its name only when it is complete.

    It replaces the target of a link, not the link, and keeps the mode and owner of the file that it replaces. A device
    or FIFO cannot be replaced, so it is written as data arrives.

    Args:
        path: Its final path.
        where: Name of the sink, for messages.
        packs: True to compress if the name ends in ".gz".
    """

    def __init__(self, path: str, where: str, *, packs: bool = True) -> None:
        self.path = Path(path)
        self._where = where
        self._part: Path | None = None
        self._is_synced = False
        if self.path.is_dir():
            raise SourceError(f'{where}: path must be a file, got the directory "{path}"')
        with self.explained():
            old = _status(self.path)
            if old is not None and (not stat.S_ISREG(old.st_mode) or self.path.parent in _STREAMS):
                self._file: IO[bytes] = _open_stream(self.path)
            else:
                self._open_part(old)
        self._out: Any = self._file
        if packs and self.path.suffix == ".gz":
            # No name and no time, so that equal data gives equal bytes.
            self._out = gzip.GzipFile(filename="", mode="wb", fileobj=self._file, mtime=0)

    def _open_part(self, old: os.stat_result | None) -> None:
        if old is not None and not os.access(self.path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        self._target = self.path.resolve()
        folder = self._target.parent
        missing = [each for each in (folder, *folder.parents) if not each.exists()]
        self._folders = dict.fromkeys((folder, *(each.parent for each in missing)))
        folder.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(folder)
        self._part, self._file = _new_part(self._target, 0o666 if old is None else stat.S_IMODE(old.st_mode))

    @contextlib.contextmanager
    def explained(self) -> Generator[None]:
        """Add to an error of the file its path and a fix."""
        try:
            yield
        except OSError as error:
            raise SourceError(f'{self._where}: cannot write "{self.path}": {_reason(error)}') from error

    def write(self, data: bytes) -> None:
        with self.explained():
            self._out.write(data)

    @property
    def raw(self) -> IO[bytes]:
        """File object for a library that writes to files itself."""
        return self._file

    def sync(self) -> None:
        """Flush and sync, under its temporary name; nothing is written behind that."""
        if self._is_synced:
            return
        self._is_synced = True
        try:
            with self.explained():
                if self._out is not self._file:
                    self._out.close()
                self._file.flush()
                if self._part is not None:
                    self._take_over()
                    os.fsync(self._file.fileno())
        except SourceError:
            self.drop()
            raise

    def _take_over(self) -> None:
        """Take over owner and mode of the file that is replaced."""
        old = _status(self._target)
        if old is None or self._part is None:
            return
        if sys.platform != "win32":
            for owner, group in ((-1, old.st_gid), (old.st_uid, -1)):
                try:
                    os.chown(self._part, owner, group)
                except OSError as error:  # only root may change the owner, where owners exist
                    if error.errno not in (errno.EPERM, errno.EINVAL, errno.ENOTSUP, errno.ENOSYS):
                        raise
        self._part.chmod(stat.S_IMODE(old.st_mode))

    def commit(self) -> None:
        """Flush, sync, and give it its name."""
        self.sync()
        try:
            with self.explained():
                if self._part is None:
                    self._file.close()
                    return
                if sys.platform == "win32":  # an open file cannot be renamed there
                    self._file.close()
                self._part.replace(self._target)
                self._file.close()  # not before, since its lock keeps other runs from removing it
                for folder in self._folders:
                    _sync_folder(folder)
        except SourceError:
            self.drop()
            raise

    def drop(self) -> None:
        """Leave nothing."""
        for file in (self._out, self._file):
            with contextlib.suppress(OSError):
                file.close()
        if self._part is not None:
            self._part.unlink(missing_ok=True)


def _status(path: Path) -> os.stat_result | None:
    """Return the file status of a path; None if it does not exist."""
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _open_stream(path: Path) -> IO[bytes]:
    # Non-blocking, so that a FIFO without a reader is an error instead of a hang.
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | getattr(os, "O_NONBLOCK", 0))
    os.set_blocking(fd, True)
    return os.fdopen(fd, "wb")


def _new_part(target: Path, mode: int) -> tuple[Path, IO[bytes]]:
    """Make a file beside the target, locked while it is open; the umask applies to its mode."""
    while True:
        part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.rxdag.part")
        file = open(part, "xb", opener=partial(os.open, mode=mode))  # noqa: SIM115  # its owner closes it
        if sys.platform != "win32":
            with contextlib.suppress(OSError):  # a file system without locks: nothing is removed there either
                fcntl.flock(file, fcntl.LOCK_EX)
        if part.exists():
            return part, file
        file.close()  # another run considered it abandoned before it was locked


def _remove_abandoned(folder: Path) -> None:
    """Remove the files that killed runs have left in a folder: unlocked ones, of any target."""
    with contextlib.suppress(OSError):
        for name in filter(_IS_PART, os.listdir(folder)):
            part = folder / name
            with contextlib.suppress(OSError):
                if sys.platform == "win32":  # a file that is open cannot be removed there
                    part.unlink()
                    continue
                # Does not create, follow or wait: anyone with write access may have put something under this name.
                fd = os.open(part, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
                try:
                    if stat.S_ISREG(os.fstat(fd).st_mode):
                        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                        part.unlink()
                finally:
                    os.close(fd)


def _sync_folder(folder: Path) -> None:
    """Make names in a folder durable, where folders can be opened and synced."""
    if sys.platform == "win32":
        return
    try:
        fd = os.open(folder, os.O_RDONLY)
    except PermissionError:  # the folder may be writable but not readable
        return
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno != errno.EINVAL:  # not supported by the file system
            raise
    finally:
        os.close(fd)


def _reason(error: OSError) -> str:
    said = os.strerror(error.errno) if error.errno else str(error)
    if isinstance(error, PermissionError):
        return f"{said}; choose a file and a directory that you may write to"
    if isinstance(error, NotADirectoryError | FileExistsError):
        return f"{said}; a part of the path is a file"
    if error.errno == errno.ENXIO:
        return f"{said}; start its reader before the run"
    if error.errno == errno.ENOSPC:
        return f"{said}; free some space or choose another disk"
    return said
