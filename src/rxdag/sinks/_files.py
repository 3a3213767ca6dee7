"""Files of text: CSV and JSON lines."""

from __future__ import annotations

import csv as csv_module
from dataclasses import dataclass
from os import PathLike
from typing import Any, Final

from rxdag.contract import NOT_TAKEN_BACK, Chunk, Delivery, Sink, SinkContext, WriteFailed, Writer, checked_path
from rxdag.errors import GraphError, shown
from rxdag.sinks._flatten import flatten, json_line, text_cell
from rxdag.sinks._whole_file import WholeFile, is_stream

_CRLF: Final = "\r\n"


class _FileWriter(Writer):
    """Lines of text into a whole file."""

    def __init__(self, path: str, where: str, context: SinkContext) -> None:
        self._key_names = context.shape.key_names
        self._file = WholeFile(path, where)
        self.n = 0

    def line(self, item: Any) -> bytes:
        """Return the item as a line."""
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

    def save(self) -> dict[str, Any] | None:
        saved = self._file.save()
        return None if saved is None else {**saved, "n": self.n}

    def restore(self, saved: dict[str, Any]) -> None:
        self._file.restore(saved)
        self.n = saved["n"]

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
        # With this line terminator, texts that contain a carriage return are quoted too.
        self._writer = csv_module.writer(self, lineterminator=_CRLF)
        self._has_header = False
        if columns:
            self._file.write(self._header())

    def _header(self) -> bytes:
        self._has_header = True
        return self._row(self._columns)

    def _row(self, values: Any) -> bytes:
        self._rows.clear()
        self._writer.writerow(values)
        return "".join(self._rows).removesuffix(_CRLF).encode() + b"\n"

    def write(self, chunk: Chunk | str) -> None:  # the csv module calls it with text
        if isinstance(chunk, str):
            self._rows.append(chunk)
        else:
            super().write(chunk)

    def save(self) -> dict[str, Any] | None:
        saved = super().save()
        return None if saved is None else {**saved, "columns": self._columns, "has_header": self._has_header}

    def restore(self, saved: dict[str, Any]) -> None:
        super().restore(saved)
        self._columns, self._has_header = saved["columns"], saved["has_header"]

    def line(self, item: Any) -> bytes:
        row = flatten(item, self._key_names)
        if not self._columns:
            self._columns = tuple(row)
        if set(row) != set(self._columns):
            raise ValueError(f"a row must have the columns {', '.join(self._columns)}, got {', '.join(row)}")
        head = b"" if self._has_header else self._header()
        return head + self._row([text_cell(row[name]) for name in self._columns])


class _JsonlWriter(_FileWriter):
    def __init__(self, path: str, context: SinkContext) -> None:
        super().__init__(path, "jsonl", context)
        self._json = json_line()

    def line(self, item: Any) -> bytes:
        return self._json(item, self._key_names)


@dataclass(frozen=True)
class _File(Sink[object, int]):
    path: str
    visible = "at the end"
    why_repeats = NOT_TAKEN_BACK

    @property
    def replaces(self) -> str:
        return self.path

    @property
    def delivery(self) -> Delivery:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]  # by path
        return "at least once" if is_stream(self.path) else "exactly once"


@dataclass(frozen=True)
class _Csv(_File):
    columns: tuple[str, ...]
    label = "csv"

    def open(self, context: SinkContext) -> Writer:
        return _CsvWriter(self.path, context, self.columns)


@dataclass(frozen=True)
class _Jsonl(_File):
    label = "jsonl"

    def open(self, context: SinkContext) -> Writer:
        return _JsonlWriter(self.path, context)


def csv(path: str | PathLike[str], /, *, columns: tuple[str, ...] | list[str] = ()) -> Sink[object, int]:
    """Write a CSV file with a header; `result[sink]` is the number of rows.

    A record gives its fields, a pane its key, start, end, value, revision and closed_by; any other item a column
    "value". If two names of a pane conflict, a part of its key gets the prefix "key_", and a field of its value
    "value_". Values of all types supported by `sources.csv` read back equal: True and False are written as true and
    false, an enumeration as its value, durations as ISO 8601, bytes as base64, None as an empty value. The file appears
    only when the run has succeeded; a failed or cancelled run leaves the old file in place.

    The file keeps the mode and owner of the one it replaces. A symbolic link stays, and its target is replaced. A
    device or FIFO cannot be replaced, so it is written as items arrive.

    Args:
        path: Path of the file; ".gz" is compressed. Its directory is created if missing.
        columns: Header, in order; by default the fields of the first item. Required for a header in an empty file.

    Example:
        >>> saved = rxdag.from_source(sources.iterable([{"a": 1}, {"a": 2}])).to(sinks.csv("numbers.csv"))
        >>> rxdag.run(saved)[saved]
        2
    """
    given: object = columns
    if not isinstance(given, tuple | list) or not all(isinstance(name, str) for name in columns):
        raise GraphError(f"csv: columns must be a tuple of names, got {shown(columns)}")
    return _Csv(checked_path(path, "csv"), tuple(columns))


def jsonl(path: str | PathLike[str], /) -> Sink[object, int]:
    """Write a file of JSON lines; `result[sink]` is the number of lines.

    The columns of a pane are named as in `sinks.csv`. The file appears only when the run has succeeded; a failed or
    cancelled run leaves the old file in place. Links, modes, devices and FIFOs are handled as in `sinks.csv`.

    Args:
        path: Path of the file; ".gz" is compressed. Its directory is created if missing.

    Example:
        >>> saved = rxdag.from_source(sources.iterable([{"a": 1}])).to(sinks.jsonl("rows.jsonl"))
        >>> rxdag.run(saved)[saved]
        1
    """
    return _Jsonl(checked_path(path, "jsonl"))
