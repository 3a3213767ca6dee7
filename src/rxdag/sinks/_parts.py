"""Part files: the temporary files beside a target, and what killed runs leave of them.

`.bars.csv.1a2b3c4d.rxdag.part` is written by a run, which holds its lock. Without a lock it is abandoned, and the next
run that writes to the folder removes it. The first checkpoint renames it to `.bars.csv.1a2b3c4d.rxdag.saved.part`. From
then on it belongs to a checkpoint: only a run that continues from a checkpoint, or completes the same target with
checkpoints, renames or removes it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import shutil
import stat
import sys
import weakref
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from rxdag.sinks._patient_file import PatientFile

if sys.platform != "win32":
    import fcntl

_IS_PART: Final = re.compile(r"\..+\.[0-9a-f]{8}\.rxdag\.part", re.DOTALL).fullmatch
_IS_SAVED: Final = re.compile(r"\.(?P<target>.+)\.[0-9a-f]{8}\.rxdag\.saved\.part", re.DOTALL).fullmatch
_TAIL_BYTES: Final = 1 << 16
_OPEN: Final[weakref.WeakSet[PatientFile]] = weakref.WeakSet()


def _forget_in_child() -> None:
    """Point all part files to the null device in a forked child, which would hold their locks as long as it lives."""
    null = os.open(os.devnull, os.O_RDWR)
    for file in list(_OPEN):
        with contextlib.suppress(ValueError):  # it is closed
            # Closing the file would write its buffer a second time; unlocking it would also free the lock of the parent.
            os.dup2(null, file.fileno(), inheritable=False)
    os.close(null)


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_forget_in_child)


def new_part(target: Path, mode: int) -> tuple[Path, PatientFile]:
    """Make a file beside the target that is locked as long as it is open, with a mode that the umask applies to."""
    while True:
        part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.rxdag.part")
        file = PatientFile(part, "xb", opener=partial(os.open, mode=mode))
        _OPEN.add(file)
        if sys.platform != "win32":
            with contextlib.suppress(OSError):  # a file system may have no locks; nothing is removed there either
                fcntl.flock(file, fcntl.LOCK_EX)
        if part.exists():
            return part, file
        file.close()  # another run took it for abandoned before it was locked


def saved_name(part: Path) -> Path:
    """Return the name of a part file once it belongs to a checkpoint."""
    return part.with_name(f"{part.name.removesuffix('.part')}.saved.part")


def is_saved_part(name: object, target: Path) -> bool:
    """Return True for the name of a saved part file of a target."""
    found = _IS_SAVED(name) if isinstance(name, str) else None
    return found is not None and found["target"] == target.name


def open_saved(part: Path) -> PatientFile | None:
    """Open a saved part file and lock it; None if it does not exist.

    Raises:
        BlockingIOError: If another run has it open.
    """
    try:
        file = PatientFile(part, "r+b")
    except FileNotFoundError:
        return None
    _OPEN.add(file)
    try:
        _lock_if_possible(file.fileno())
        if part.exists() and os.path.samestat(part.stat(), os.fstat(file.fileno())):
            return file
    except BaseException:
        file.close()
        raise
    file.close()  # it got its final name before it was locked
    return None


def tail_of(path: Path, length: int) -> int:
    """Return the CRC-32 of up to 64 KiB before a position of a file; it tells the file from others."""
    start = max(0, length - _TAIL_BYTES)
    with path.open("rb") as file:
        file.seek(start)
        return zlib.crc32(file.read(length - start))


def copied_part(target: Path, part: Path, length: int) -> None:
    """Make a saved part file anew of the first bytes of the target that it has become."""
    made, file = new_part(target, stat.S_IMODE(target.stat().st_mode))
    with file, target.open("rb") as source:
        shutil.copyfileobj(source, file)
        file.truncate(length)
        file.flush()
        os.fsync(file.fileno())
        if sys.platform == "win32":
            file.close()
        made.rename(part)


def remove_abandoned(folder: Path) -> None:
    """Remove what runs that were killed have left in a folder: part files that nobody has locked, of any target."""
    with contextlib.suppress(OSError):
        for name in filter(_IS_PART, os.listdir(folder)):
            _remove_unlocked(folder / name)


def remove_saved(target: Path) -> None:
    """Remove saved part files of a target that nobody has locked."""
    remove_saved_of(target.parent, lambda name: name == target.name)


def remove_saved_of(folder: Path, is_target: Callable[[str], object]) -> None:
    """Remove saved part files that nobody has locked, of all targets whose name passes."""
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            found = _IS_SAVED(name)
            if found is not None and is_target(found["target"]):
                _remove_unlocked(folder / name)


def _remove_unlocked(part: Path) -> None:
    with contextlib.suppress(OSError):
        if sys.platform == "win32":  # a file that is open cannot be removed there
            part.unlink()
            return
        # Nothing is made, followed or waited for: whoever may write to the folder chooses what has this name.
        fd = os.open(part, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            if stat.S_ISREG(os.fstat(fd).st_mode):
                _lock(fd)
                part.unlink()
        finally:
            os.close(fd)


def _lock(fd: int) -> None:
    if sys.platform != "win32":
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _lock_if_possible(fd: int) -> None:
    try:
        _lock(fd)
    except OSError as error:
        if isinstance(error, BlockingIOError):  # any other: the file system has no locks
            raise


def sync_folder(folder: Path) -> None:
    """Make names in a folder durable, where folders can be opened and synced."""
    if sys.platform == "win32":
        return
    try:
        fd = os.open(folder, os.O_RDONLY)
    except PermissionError:  # it may be written and not read
        return
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno != errno.EINVAL:  # the file system has no such thing
            raise
    finally:
        os.close(fd)
