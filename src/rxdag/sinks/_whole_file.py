"""Files that are there whole or not at all: written beside, then renamed."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
from collections.abc import Generator
from pathlib import Path
from typing import IO, Any, Final

from rxdag.contract import is_forked, refuse_fork
from rxdag.errors import SourceError
from rxdag.sinks._packing import Packing
from rxdag.sinks._parts import (
    copied_part,
    is_saved_part,
    new_part,
    open_saved,
    remove_abandoned,
    remove_saved,
    saved_name,
    sync_folder,
    tail_of,
)
from rxdag.sinks._patient_file import PatientFile

_STREAMS: Final = (Path("/dev"), Path("/dev/fd"), Path("/proc/self/fd"))
"""Folders whose entries are never replaced, even where one stands for a plain file, as /dev/stdout may."""


class WholeFile:
    """A file that gets its name only when it is complete.

    It replaces the target of a link, not the link, and has the mode and owner of the file that it replaces. A device or
    a FIFO cannot be replaced: it is written as the data comes. Once saved, its part file stays behind whatever happens,
    until it has its name: a checkpoint continues from it. A forked child cannot use it: the part file is its parent's.

    Args:
        path: Its final path.
        where: Name of the sink, for messages.
        packs: True to compress if the name ends in ".gz" or ".zst".
    """

    def __init__(self, path: str, where: str, *, packs: bool = True) -> None:
        self.path = Path(path)
        self._where = where
        self._pid = os.getpid()
        self._part: Path | None = None
        self._is_saved = False
        self._is_synced = False
        self._packing = Packing(path, where) if packs else None
        with self.explained():
            if self.path.is_dir():
                raise SourceError(f'{where}: path must be a file, got the directory "{path}"')
            if is_stream(path):
                self._file: PatientFile = _open_stream(self.path)
            else:
                self._open_part(_status(self.path))
        self._piece: Any = None if self._packing is None else self._packing.new_piece()

    def _open_part(self, old: os.stat_result | None) -> None:
        if old is not None and not os.access(self.path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        self._target = self.path.resolve()
        folder = self._target.parent
        missing = [each for each in (folder, *folder.parents) if not each.exists()]
        self._folders = dict.fromkeys((folder, *(each.parent for each in missing)))
        folder.mkdir(parents=True, exist_ok=True)
        remove_abandoned(folder)
        self._part, self._file = new_part(self._target, 0o666 if old is None else stat.S_IMODE(old.st_mode))

    @contextlib.contextmanager
    def explained(self) -> Generator[None]:
        """Add to an error of the file its path and a fix; refuse a forked child."""
        self.check_process()
        try:
            yield
        except OSError as error:
            raise SourceError(f'{self._where}: cannot write "{self.path}": {_reason(error)}') from error

    def check_process(self) -> None:
        """Raise RxDagError in a forked child: the part file is its parent's."""
        if self._part is not None:
            refuse_fork(self._pid, f'{self._where} "{self.path}"')

    def write(self, data: bytes) -> None:
        """Take data in whole, or raise and take none of it: a write that has failed can be repeated."""
        with self.explained():
            self._file.make_room()
            if self._packing is not None:
                self._piece = self._piece or self._packing.new_piece()
            if self._piece is not None:
                data = self._piece.compress(data)
            self._file.write(data)
        with contextlib.suppress(OSError):  # the next call raises it
            self._file.make_room()

    @property
    def raw(self) -> PatientFile:
        """File object for a library that writes to files itself."""
        return self._file

    @property
    def part_name(self) -> str:
        """Name of the part file; empty for a device or a FIFO."""
        return "" if self._part is None else self._part.name

    def reopened(self) -> IO[bytes]:
        """Return the part file, opened to be read; what was written is flushed before."""
        if self._part is None:
            raise TypeError(f"{self._where}: a device cannot be read again")
        self._flush()
        return self._part.open("rb")

    def sync(self) -> None:
        """Flush and sync, under its temporary name; nothing is written behind that."""
        if self._is_synced:
            return
        with self.explained():
            self._flush()
            if self._part is not None:
                self._take_over()
                os.fsync(self._file.fileno())
        self._is_synced = True

    def _flush(self) -> None:
        """Hand all data to the operating system; a compressed file is valid up to here, since its piece ends."""
        if self._piece is not None:
            piece, self._piece = self._piece, None
            self._file.write(piece.flush())
        self._file.flush()

    def save(self) -> dict[str, Any] | None:
        """Flush and sync, and return the data that `restore` continues from; None for a device or a FIFO."""
        if self._part is None:
            return None
        with self.explained():
            self._flush()
            os.fsync(self._file.fileno())
            if not self._is_saved:
                self._part = self._keep(self._part)
            length = self._file.tell()
            return {"part": self._part.name, "length": length, "tail": tail_of(self._part, length)}

    def _keep(self, part: Path) -> Path:
        """Give the part file the name of one that belongs to a checkpoint."""
        kept = saved_name(part)
        if sys.platform == "win32":  # an open file cannot be renamed there
            self._file.close()
            part.rename(kept)
            self._file = PatientFile(kept, "r+b")
            self._file.seek(0, os.SEEK_END)
        else:
            part.rename(kept)
        self._is_saved = True
        for folder in self._folders:
            sync_folder(folder)
        return kept

    def restore(self, saved: dict[str, Any]) -> None:
        """Continue with the part file of a checkpoint, without what was written behind it.

        The part file is made anew of the target if it had already become that.
        """
        self.check_process()
        name, length = saved["part"], saved["length"]
        if self._part is None or not is_saved_part(name, self._target):
            raise SourceError(
                f'{self._where}: a run that continues must write to the same file, got "{self.path}", and a checkpoint '
                f'of "{name}"; restore the path'
            )
        self.drop()
        self._part, self._is_saved, self._piece = self._target.with_name(name), True, None
        with self.explained():
            self._file = self._reopened(self._part, length, saved["tail"])
            self._file.truncate(length)
            self._file.seek(length)
        remove_saved(self._target)

    def _reopened(self, part: Path, length: int, tail: int) -> PatientFile:
        try:
            file = open_saved(part)
            if file is None and begins_with(self._target, length, tail):
                copied_part(self._target, part, length)
                file = open_saved(part)
        except BlockingIOError:
            raise SourceError(
                f'{self._where}: "{self.path}" must be written by one run, got another one that has "{part}" open; stop it'
            ) from None
        size = -1 if file is None else os.fstat(file.fileno()).st_size
        if file is not None and size >= length and tail_of(part, length) == tail:
            return file
        found = "none" if file is None else "another file of that name" if size >= length else f"one of {size:,}"
        if file is not None:
            file.close()
        raise SourceError(
            f'{self._where}: "{self.path}" must have the part file of its checkpoint, "{part}" of {length:,} bytes, got '
            f"{found}; put it back, or start over"
        )

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
                    sync_folder(folder)
        except SourceError:
            self.drop()
            raise
        if self._is_saved:
            remove_saved(self._target)

    def remove(self) -> None:
        """Leave nothing, not even the part file of a checkpoint: its content is in another file."""
        self.check_process()
        self._is_saved = False
        self.drop()
        remove_saved(self._target)

    def drop(self) -> None:
        """Leave nothing but the part file of a checkpoint; a forked child leaves everything."""
        with contextlib.suppress(OSError, ValueError):  # it may be closed
            self._flush()
        with contextlib.suppress(OSError):
            self._file.close()
        if self._part is not None and not self._is_saved and not is_forked(self._pid):
            self._part.unlink(missing_ok=True)


def _status(path: Path) -> os.stat_result | None:
    """Return the file status of a path; None if it does not exist."""
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def is_stream(path: str) -> bool:
    """Return True if a path leads to a device or a FIFO, which cannot be replaced."""
    with contextlib.suppress(OSError):
        old = _status(Path(path))
        return old is not None and (not stat.S_ISREG(old.st_mode) or Path(path).parent in _STREAMS)
    return False


def begins_with(target: Path, length: int, tail: int) -> bool:
    """Return True if a file of at least this length has this `tail_of` it."""
    old = _status(target)
    return old is not None and stat.S_ISREG(old.st_mode) and old.st_size >= length and tail_of(target, length) == tail


def _open_stream(path: Path) -> PatientFile:
    # Non-blocking, so that a FIFO without a reader is an error instead of a hang.
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | getattr(os, "O_NONBLOCK", 0))
    os.set_blocking(fd, True)
    return PatientFile(fd, "wb")


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
