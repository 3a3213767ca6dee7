"""Files that are there whole or not at all: written beside, then renamed."""

from __future__ import annotations

import contextlib
import csv as csv_module
import gzip
import os
import tempfile
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import IO, Any

from rxdag.contract import Chunk, Sink, SinkContext, WriteFailed, Writer
from rxdag.errors import SourceError
from rxdag.sinks._flat import flatten, is_numpy_time, json_line, time_text


class WholeFile:
    """A file that takes its name when it is complete.

    Args:
        path: Name it will have; ".gz" is packed.
        where: Name of the sink, for messages.
    """

    def __init__(self, path: str, where: str) -> None:
        self.path = Path(path)
        self._where = where
        if self.path.is_dir():
            raise SourceError(f'{where}: path must be a file, got the directory "{path}"')
        with self._explained():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            fd, name = tempfile.mkstemp(prefix=f".{self.path.name}.", suffix=".part", dir=self.path.parent)
        self._part = Path(name)
        self._file: IO[bytes] = os.fdopen(fd, "wb")
        self._out: Any = self._file
        if self.path.suffix == ".gz":
            self._out = gzip.GzipFile(filename="", mode="wb", fileobj=self._file, mtime=0)

    @contextlib.contextmanager
    def _explained(self) -> Any:
        try:
            yield
        except OSError as error:
            raise SourceError(f'{self._where}: cannot write "{self.path}": {_reason(error)}') from error

    def write(self, data: bytes) -> None:
        with self._explained():
            self._out.write(data)

    @property
    def raw(self) -> IO[bytes]:
        """What a library that writes files by itself may write to."""
        return self._file

    def sync(self) -> None:
        """Flush and sync, under its temporary name; nothing is written behind that."""
        if self._file.closed:
            return
        try:
            with self._explained():
                if self._out is not self._file:
                    self._out.close()
                self._file.flush()
                os.fsync(self._file.fileno())
                self._file.close()
        except SourceError:
            self.drop()
            raise

    def commit(self) -> None:
        """Flush, sync, and give it its name."""
        self.sync()
        try:
            with self._explained():
                self._part.chmod(0o666 & ~_umask())
                self._part.replace(self.path)
        except SourceError:
            self.drop()
            raise

    def drop(self) -> None:
        """Leave nothing."""
        with contextlib.suppress(OSError):
            self._file.close()
        self._part.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _reason(error: OSError) -> str:
    said = os.strerror(error.errno) if error.errno else str(error)
    if isinstance(error, PermissionError):
        return f"{said}; choose a directory that you may write to"
    if isinstance(error, NotADirectoryError | FileExistsError):
        return f"{said}; a part of the path is a file"
    if error.errno == 28:
        return f"{said}; free some space or choose another disk"
    return said


class _FileWriter(Writer):
    """Lines of text into a whole file."""

    def __init__(self, path: str, where: str, context: SinkContext) -> None:
        self._key_names = context.shape.key_names
        self._file = WholeFile(path, where)
        self.n = 0

    def line(self, item: Any) -> bytes:
        """The item as a line."""
        raise TypeError("a file writer must say how a line is made")

    def write(self, chunk: Chunk) -> None:
        lines: list[bytes] = []
        for index, item in enumerate(chunk.items):
            try:
                lines.append(self.line(item))
            except Exception as error:
                self._put(lines)
                raise WriteFailed(index, error) from error
        self._put(lines)

    def _put(self, lines: list[bytes]) -> None:
        self._file.write(b"".join(lines))
        self.n += len(lines)

    def prepare(self) -> None:
        self._file.sync()

    def close(self, *, ok: bool) -> int:
        if ok:
            self._file.commit()
        else:
            self._file.drop()
        return self.n


class _CsvWriter(_FileWriter):
    def __init__(self, path: str, context: SinkContext, columns: tuple[str, ...]) -> None:
        super().__init__(path, "csv", context)
        self._columns = columns
        self._rows: list[str] = []
        self._writer = csv_module.writer(self, lineterminator="\n")
        self._has_header = False
        if columns:
            self._file.write(self._header())

    def _header(self) -> bytes:
        self._has_header = True
        return self._row(self._columns)

    def _row(self, values: Any) -> bytes:
        self._rows.clear()
        self._writer.writerow(values)
        return "".join(self._rows).encode()

    def write(self, chunk: Chunk | str) -> None:  # the csv module calls it with text
        if isinstance(chunk, str):
            self._rows.append(chunk)
        else:
            super().write(chunk)

    def line(self, item: Any) -> bytes:
        row = flatten(item, self._key_names)
        if not self._columns:
            self._columns = tuple(row)
        if set(row) != set(self._columns):
            raise ValueError(f"a row must have the columns {', '.join(self._columns)}, got {', '.join(row)}")
        head = b"" if self._has_header else self._header()
        return head + self._row([_text(row[name]) for name in self._columns])


def _text(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return time_text(value) if is_numpy_time(value) else value


class _JsonlWriter(_FileWriter):
    def __init__(self, path: str, context: SinkContext) -> None:
        super().__init__(path, "jsonl", context)
        self._json = json_line()

    def line(self, item: Any) -> bytes:
        return self._json(item, self._key_names)


@dataclass(frozen=True)
class _Csv(Sink[object, int]):
    path: str
    columns: tuple[str, ...]
    label = "csv"

    def open(self, context: SinkContext) -> Writer:
        return _CsvWriter(self.path, context, self.columns)


@dataclass(frozen=True)
class _Jsonl(Sink[object, int]):
    path: str
    label = "jsonl"

    def open(self, context: SinkContext) -> Writer:
        return _JsonlWriter(self.path, context)


def csv(path: str | PathLike[str], /, *, columns: tuple[str, ...] | list[str] = ()) -> Sink[object, int]:
    """Write a CSV file with a header; `result[sink]` is the number of rows.

    A record gives its fields, a pane its key, start, end, value, revision and closed_by; anything else a column
    "value". Numbers are written so that they read back equal; True and False as true and false; None as nothing. The
    file is there when the run has succeeded, and not before: a failed or cancelled run leaves the old one.

    Args:
        path: Of the file; ".gz" is packed. Its directory is made if it is not there.
        columns: Header, in order; by default the fields of the first item. Needed for a header in an empty file.

    Example:
        >>> saved = rxdag.from_source(sources.iterable([{"a": 1}, {"a": 2}])).to(sinks.csv("numbers.csv"))
        >>> rxdag.run(saved)[saved]
        2
    """
    return _Csv(fspath(path), tuple(columns))


def jsonl(path: str | PathLike[str], /) -> Sink[object, int]:
    """Write a file of JSON lines; `result[sink]` is the number of lines.

    The file is there when the run has succeeded, and not before: a failed or cancelled run leaves the old one.

    Args:
        path: Of the file; ".gz" is packed. Its directory is made if it is not there.

    Example:
        >>> saved = rxdag.from_source(sources.iterable([{"a": 1}])).to(sinks.jsonl("rows.jsonl"))
        >>> rxdag.run(saved)[saved]
        1
    """
    return _Jsonl(fspath(path))
