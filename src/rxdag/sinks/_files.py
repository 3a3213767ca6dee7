"""Files of text: CSV and JSON lines."""

from __future__ import annotations

import csv as csv_module
from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike
from os.path import exists, isdir
from typing import Any, Final

from rxdag.contract import (
    Chunk,
    Sink,
    SinkContext,
    WriteFailed,
    Writer,
    flag,
    whole,
)
from rxdag.errors import GraphError, SourceError, shown
from rxdag.sinks._appended import AppendedFile, header_of
from rxdag.sinks._cells import Cells, cells_in, cells_of
from rxdag.sinks._file_names import Place
from rxdag.sinks._file_sink import FileSink
from rxdag.sinks._flatten import flatten, json_line, text_cell
from rxdag.sinks._json_lines import JsonLines
from rxdag.sinks._numbered import NumberedFiles, checked_roll
from rxdag.sinks._places import Places
from rxdag.sinks._roll import Roll, RollBy
from rxdag.sinks._text_files import NumberedTexts, OneFile, TextFiles
from rxdag.sinks._whole_file import WholeFile, is_stream

_CRLF: Final = "\r\n"


class _FileWriter(Writer):
    """Lines of text into files."""

    def __init__(self, sink: _File, context: SinkContext) -> None:
        self._key_names = context.shape.key_names
        self._places = Places(sink.parts, self._key_names)
        self._files = sink.files(context, self.head)
        self.n = 0

    def head(self) -> bytes:
        """Return what comes before the first line of each file."""
        return b""

    def line(self, item: Any) -> bytes:
        """Return the item as a line."""
        raise TypeError("a file writer must say how a line is made")

    def lines(self, kind: type, cells: Cells) -> list[bytes] | None:
        """Return the lines of items of a type; None if they must be written one by one."""
        return None

    def write(self, chunk: Chunk) -> None:
        try:
            places = self._places.of(chunk)
        except WriteFailed as failed:
            self.write(chunk.split(failed.index)[0])
            raise
        columns = chunk.columns
        lines = None if columns is None else self._together(columns.of or dict, cells_of(columns))
        if lines is None:
            items: list[Any] = chunk.rows().items
            lines = self._together(items[0].__class__, cells_in(items, self._key_names)) if items else []
            if lines is None:
                return self._write_each(items, places)
        self._put(lines, places)
        return None

    def _together(self, kind: type, cells: Cells | None) -> list[bytes] | None:
        try:
            return None if cells is None else self.lines(kind, cells)
        except Exception:  # of an item, which is found when they are written one by one
            return None

    def _write_each(self, items: list[Any], places: list[Place] | None) -> None:
        lines: list[bytes] = []
        for index, item in enumerate(items):
            try:
                lines.append(self.line(item))
            except Exception as error:
                self._put(lines, places and places[:index])
                raise WriteFailed(index, error) from error
        self._put(lines, places)

    def _put(self, lines: list[bytes], places: list[Place] | None) -> None:
        self._files.write(lines, places)
        self.n += len(lines)

    def prepare(self) -> None:
        self._files.sync()

    def save(self) -> dict[str, Any] | None:
        saved = self._files.save()
        return None if saved is None else {**saved, "n": self.n}

    def publish(self) -> None:
        self._files.publish()

    def restore(self, saved: dict[str, Any]) -> None:
        self._files.restore(saved)
        self.n = saved["n"]

    def close(self, *, ok: bool) -> int:
        if ok:
            self._files.commit()
        else:
            self._files.drop()
        return self.n


class _Rows:
    """A file that keeps the rows written to it."""

    def __init__(self, rows: list[str]) -> None:
        self.write = rows.append


class _CsvWriter(_FileWriter):
    def __init__(self, sink: _Csv, context: SinkContext) -> None:
        self._columns = sink.columns_of_file()
        self._rows: list[str] = []
        # With this line terminator, texts that contain a carriage return are quoted too.
        self._writer = csv_module.writer(_Rows(self._rows), lineterminator=_CRLF)
        super().__init__(sink, context)
        if self._columns:
            self._files.begin()

    def head(self) -> bytes:
        return self._row(self._columns)

    def _row(self, values: Any) -> bytes:
        self._rows.clear()
        self._writer.writerow(values)
        return "".join(self._rows).removesuffix(_CRLF).encode() + b"\n"

    def lines(self, kind: type, cells: Cells) -> list[bytes] | None:
        self._columns = self._columns or tuple(cells)
        if set(cells) != set(self._columns):
            return None
        self._rows.clear()
        self._writer.writerows(zip(*(_texts(cells[name]) for name in self._columns), strict=True))
        return [row.removesuffix(_CRLF).encode() + b"\n" for row in self._rows]

    def save(self) -> dict[str, Any] | None:
        saved = super().save()
        return None if saved is None else {**saved, "columns": self._columns}

    def restore(self, saved: dict[str, Any]) -> None:
        super().restore(saved)
        self._columns = saved["columns"]

    def line(self, item: Any) -> bytes:
        row = flatten(item, self._key_names)
        if not self._columns:
            self._columns = tuple(row)
        if set(row) != set(self._columns):
            raise ValueError(f"a row must have the columns {', '.join(self._columns)}, got {', '.join(row)}")
        return self._row([text_cell(row[name]) for name in self._columns])


def _texts(cells: list[Any]) -> list[Any]:
    """Return cells with truths as texts."""
    if bool not in set(map(type, cells)):
        return cells
    return [text_cell(cell) for cell in cells]


class _JsonlWriter(_FileWriter):
    def __init__(self, sink: _Jsonl, context: SinkContext) -> None:
        self._json = json_line()
        self._lines_of = JsonLines()
        super().__init__(sink, context)

    def lines(self, kind: type, cells: Cells) -> list[bytes] | None:
        return self._lines_of(kind, cells)

    def line(self, item: Any) -> bytes:
        return self._json(item, self._key_names)


@dataclass(frozen=True)
class _File(FileSink):
    def files(self, context: SinkContext, head: Callable[[], bytes]) -> TextFiles:
        """Open where lines are written to."""
        if self.roll is None and self.append:
            appended = AppendedFile(self.path, self.label)
            return OneFile(appended, head, has_head=appended.has_lines)
        if self.roll is None:
            return OneFile(WholeFile(self.path, self.label), head)
        files = NumberedFiles(self.path, self.label, saves=context.saves, appends=self.append)
        return NumberedTexts(files, self.roll, self.max_open, context, head)


@dataclass(frozen=True)
class _Csv(_File):
    columns: tuple[str, ...]
    label = "csv"
    takes_columns = True

    def columns_of_file(self) -> tuple[str, ...]:
        """Return the columns of the file that is appended to, else those that were given.

        Raises:
            SourceError: If the two differ.
        """
        there = header_of(self.path) if self.append and self.roll is None and exists(self.path) else ()
        if there and self.columns and there != self.columns:
            raise SourceError(
                f'csv: "{self.path}" must have the columns {", ".join(self.columns)} to be appended to, got '
                f"{', '.join(there)}; leave columns= out, or choose another file"
            )
        return there or self.columns

    def open(self, context: SinkContext) -> Writer:
        return _CsvWriter(self, context)


@dataclass(frozen=True)
class _Jsonl(_File):
    label = "jsonl"
    takes_columns = True

    def open(self, context: SinkContext) -> Writer:
        return _JsonlWriter(self, context)


def csv(
    path: str | PathLike[str],
    /,
    *,
    columns: tuple[str, ...] | list[str] = (),
    roll: RollBy | None = None,
    append: bool = False,
    max_open: int = 200,
) -> Sink[object, int]:
    """Write a CSV file with a header, or numbered files; `result[sink]` is the number of rows.

    A record gives its fields, a pane its key, start, end, value, revision and closed_by; any other item a column
    "value". If two names of a pane conflict, a part of its key gets the prefix "key_", and a field of its value
    "value_". Values of all types supported by `sources.csv` read back equal: True and False are written as true and
    false, an enumeration as its value, durations as ISO 8601, bytes as base64, None as an empty value. The file appears
    only when the run has succeeded; a failed or cancelled run leaves the old file in place.

    The file keeps the mode and owner of the one it replaces. A symbolic link stays, and its target is replaced. A
    device or FIFO cannot be replaced, so it is written as items arrive.

    With `roll=`, "bars.csv" gives the files bars-000001.csv, bars-000002.csv, ..., each with a header and one row or
    more. In a run with checkpoints, a complete file gets its final name as soon as a checkpoint that covers its rows is
    durable; in a run without, at once. The last file is complete when the run has succeeded. Files of an earlier run with
    such names are an error, unless `append=True`.

    Fields of the items in braces divide the rows among files. So do {date}, {hour} and formats such as {time:%Y-%m},
    which are the event time in UTC. For example, "out/{symbol}/{date}.csv" gives out/BTC/2026-11-30-000001.csv. Such
    files are always numbered, across all directories of the sink; without `roll=`, they are complete when the run has
    succeeded. In a value, any character other than ASCII letters, digits and "-._~" is percent-encoded, as is a leading
    "." or "_", so a value is always one part of the path: "BTC/USDT" becomes BTC%2FUSDT. A value must be a str, int,
    bool, date or enumeration, and have 1 to 128 characters when encoded; otherwise the sink fails on the item.

    With `append=True`, rows are added after the existing rows of the file, under its header. They are written into a copy,
    which replaces the file when the run has succeeded; nothing else may write to the file during the run. `result[sink]`
    counts the added rows.

    Args:
        path: Path of the file; ".gz" and ".zst" are compressed, ".zst" with the extra "zstd". Its directory is created if missing.
        columns: Header, in order; by default the fields of the first item. Required for a header in an empty file.
        roll: When a file is complete and the next one begins. "checkpoint": at each checkpoint. A size of 1 byte or more,
            before compression, such as "100MB" (10^6 bytes), "64MiB" (2^20 bytes) or a number of bytes; only a single
            longer row exceeds it. Or a duration such as "1h": at intervals aligned to the epoch in UTC, by the clock of
            the run; if no row arrives, the next checkpoint completes the file.
        append: True to add to an existing file, or to continue the numbering of existing numbered files.
        max_open: Maximum number of files open at once, 1 or more. To open one more, the least recently written file is
            completed; later rows for it begin another file.

    Raises:
        GraphError: If an argument is invalid, or `roll` or `append` is given for a device or FIFO.

    Example:
        >>> saved = rxdag.from_source(sources.iterable([{"a": 1}, {"a": 2}])).to(sinks.csv("numbers.csv"))
        >>> rxdag.run(saved)[saved]
        2
        >>> import glob
        >>> parts = rxdag.from_source(sources.iterable([{"a": 1}, {"a": 2}])).to(sinks.csv("part.csv", roll=5))
        >>> rxdag.run(parts)[parts], sorted(glob.glob("part-*.csv"))
        (2, ['part-000001.csv', 'part-000002.csv'])
        >>> trades = [{"symbol": "BTC", "price": 1.5}, {"symbol": "ETH", "price": 2.5}]
        >>> divided = rxdag.from_source(sources.iterable(trades)).to(sinks.csv("out/symbol={symbol}/trades.csv"))
        >>> rxdag.run(divided)[divided], sorted(glob.glob("out/*/*"))
        (2, ['out/symbol=BTC/trades-000001.csv', 'out/symbol=ETH/trades-000002.csv'])
    """
    given: object = columns
    if not isinstance(given, tuple | list) or not all(isinstance(name, str) for name in columns):
        raise GraphError(f"csv: columns must be a tuple of names, got {shown(columns)}")
    return _Csv(*_checked(path, roll, append, max_open, "csv"), tuple(columns))


def jsonl(
    path: str | PathLike[str], /, *, roll: RollBy | None = None, append: bool = False, max_open: int = 200
) -> Sink[object, int]:
    """Write a file of JSON lines, or numbered files; `result[sink]` is the number of lines.

    The columns of a pane are named as in `sinks.csv`. The file appears only when the run has succeeded; a failed or
    cancelled run leaves the old file in place. Links, modes, devices, FIFOs, numbered files and fields in the path are
    handled as in `sinks.csv`.

    Args:
        path: Path of the file; ".gz" and ".zst" are compressed, ".zst" with the extra "zstd". Its directory is created if missing.
        roll: When a file is complete and the next one begins: "checkpoint", a size such as "100MB", or a duration such
            as "1h", as in `sinks.csv`.
        append: True to add to an existing file, or to continue the numbering of existing numbered files.
        max_open: Maximum number of files open at once, as in `sinks.csv`.

    Raises:
        GraphError: If an argument is invalid, or `roll` or `append` is given for a device or FIFO.

    Example:
        >>> saved = rxdag.from_source(sources.iterable([{"a": 1}])).to(sinks.jsonl("rows.jsonl"))
        >>> rxdag.run(saved)[saved]
        1
    """
    return _Jsonl(*_checked(path, roll, append, max_open, "jsonl"))


def _checked(path: Any, roll: Any, append: Any, max_open: Any, where: str) -> tuple[str, Roll | None, bool, int]:
    """Return the arguments that both sinks share, checked."""
    text, when = checked_roll(path, roll, where)
    if flag(append, f"{where}: append") and is_stream(text) and not isdir(text):
        raise GraphError(f"{where}: append must be left out for a device or FIFO, got {shown(text)}")
    return text, when, append, whole(max_open, f"{where}: max_open", least=1)
