"""Several files, read one after another as one stream."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import closing
from glob import glob, has_magic
from os import PathLike
from typing import Any, cast

from rxdag.contract import END, LineFile, Read, Reader, checked_path, nearest_file
from rxdag.errors import GraphError, SourceError, shown


def checked_paths(given: Any, where: str) -> tuple[str, ...]:
    """Return the paths and patterns of an argument `path`.

    Raises:
        GraphError: If it is neither a path nor a list of paths of files.
    """
    if not isinstance(given, Sequence) or isinstance(given, str | bytes | PathLike):
        return (checked_path(given, where),)
    paths = tuple(checked_path(each, where) for each in cast("Sequence[object]", given))
    if not paths or "-" in paths:
        raise GraphError(f'{where}: path must be a file, files, or "-" alone for stdin, got {shown(paths)}')
    return paths


def open_files(paths: tuple[str, ...], where: str, open_file: Callable[[str], Reader]) -> Reader:
    """Open a file, or the files that a list or a pattern gives.

    Args:
        paths: Paths and patterns.
        where: Name of the source, for messages.
        open_file: Opens one of them.
    """
    if len(paths) == 1 and not _is_pattern(paths[0]):
        return open_file(paths[0])
    return _FilesReader(_found(paths, where), where, open_file)


def _is_pattern(path: str) -> bool:
    return has_magic(path) and not os.path.lexists(path)


def _found(paths: tuple[str, ...], where: str) -> list[str]:
    """Return the absolute paths of files, those of a pattern in order of their names.

    Raises:
        SourceError: If a file does not exist, a pattern matches none, or a file is given twice.
    """
    found: list[str] = []
    for path in paths:
        if _is_pattern(path):
            matches = sorted(glob(path, recursive=True))
            if not matches:
                raise SourceError(f'{where}: pattern must match a file, got "{path}", which matches none')
            found += matches
        elif not os.path.exists(path):
            raise SourceError(f'{where}: file must exist, got "{path}"{nearest_file(path)}')
        else:
            found.append(path)
    files = [os.path.abspath(path) for path in found]
    twice = next((path for path in files if files.count(path) > 1), None) if len(set(files)) < len(files) else None
    if twice is not None:
        raise SourceError(f'{where}: path must give each file once, got "{twice}" twice')
    return files


class _FilesReader(Reader):
    """Reads files one after another.

    Its position has the files, what those that were read to the end were, and the position in the one that is open.
    """

    def __init__(self, files: list[str], where: str, open_file: Callable[[str], Reader]) -> None:
        self._files = files
        self._where = where
        self._open_file = open_file
        self._read: tuple[dict[str, Any], ...] = ()
        """The end position and the size on disk of each file that was read."""
        self._reader: Reader | None = None

    def read(self, max_items: int) -> Read:
        while len(self._read) < len(self._files):
            reader = self._current()
            read = reader.read(max_items)
            if read is not END:
                return read
            path = self._files[len(self._read)]
            self._read = (*self._read, {"end": reader.position(), "size": _size(path)})
            self._reader = None
            reader.close()
        return END

    def _current(self) -> Reader:
        if self._reader is None:
            self._reader = self._open_file(self._files[len(self._read)])
        return self._reader

    def position(self) -> dict[str, Any]:
        inner = None if self._reader is None else self._reader.position()
        return {"files": self._files, "read": self._read, "position": inner}

    def seek(self, position: dict[str, Any]) -> None:
        self._check_files(list(position["files"]))
        for path, was in zip(self._files, position["read"], strict=False):
            self._verify(path, was)
        self._read = tuple(position["read"])
        if position["position"] is not None:
            self._current().seek(position["position"])

    def _check_files(self, files: list[str]) -> None:
        """Raise SourceError if these are not the files of the checkpoint, in the same order."""
        missing = [path for path in files if path not in self._files]
        if missing:
            raise self._other(f'none called "{missing[0]}"', "put it back")
        added = [path for path in self._files if path not in files]
        if added:
            raise self._other(f'also "{added[0]}"', "take it out")
        if files != self._files:
            raise self._other(f'them in another order, "{self._files[0]}" first', "restore the order")

    def _other(self, got: str, fix: str) -> SourceError:
        return SourceError(
            f"{self._where}: must have the files that the checkpoint was taken from, got {got}; {fix}, or start without "
            "the checkpoint"
        )

    def _verify(self, path: str, was: dict[str, Any]) -> None:
        """Raise SourceError if a file is not the one that was read to the end."""
        if (size := _size(path)) != was["size"]:
            raise self._other(
                f'"{path}" of {size:,} bytes, which had {was["size"]:,} when it was read', "put that file back"
            )
        with closing(LineFile(path, self._where)) as file:
            file.verify(was["end"])

    def progress(self) -> float | None:
        # By another thread, so the reader may be closed at any time; its share is then 0 or 1.
        reader, n_read = self._reader, len(self._read)
        inner = None if reader is None else reader.progress()
        return min(1.0, (n_read + (inner or 0.0)) / len(self._files))

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()


def _size(path: str) -> int:
    """Return the size of a file on disk, 0 if it is gone."""
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0
