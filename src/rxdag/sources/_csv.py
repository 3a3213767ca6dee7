"""CSV files."""

from __future__ import annotations

import csv as csv_module
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from datetime import tzinfo
from importlib.util import find_spec
from os import PathLike
from typing import Any, TypeVar

from rxdag.contract import (
    END,
    RECEIVES,
    Chunk,
    LineFile,
    Read,
    Reader,
    Shape,
    Source,
    SourceContext,
    Where,
    checked_path,
    zone_of,
)
from rxdag.errors import SourceError, shown, text_of
from rxdag.expressions import checks_itself
from rxdag.sources._blocks import BlocksReader, LinesReader, Parse
from rxdag.sources._csv_blocks import CsvBlocks, CsvColumn
from rxdag.sources._iterable import IteratorReader
from rxdag.sources._records import build, check_columns, record_fields, refused, required_fields
from rxdag.sources._texts import check_texts, converter, no_text

T = TypeVar("T")


class _CsvReader(IteratorReader, LinesReader):
    def __init__(self, path: str, of: Any, zone: tzinfo | None, context: SourceContext) -> None:
        self._of = of
        self._zone = zone
        self._context = context
        self.file = LineFile(path, "csv")
        self._fresh = self.file.lines()
        self._taken: list[str] = []
        """Lines of the current row."""
        self._again: list[str] = []
        """Lines to read again, the next one last."""
        self._opened: Iterator[list[str]] | None = None
        self._width = 0
        self._columns: list[CsvColumn] = []
        super().__init__(self._parse(), context, blocking=path == "-")

    def _parse(self) -> Generator[Any]:
        make = build(self._of)
        try:
            for row in self.raw():
                try:
                    fields = self._fields(row)
                except _BadRow as error:
                    self._context.bad(error.row, SourceError(str(error)))
                    continue
                item, problem = None, None
                try:
                    item = make(fields)
                except Exception as error:  # whatever the type's own code raises
                    problem = refused(self.file.place, self._of, error, row)
                if problem is None:
                    yield item
                else:
                    self._context.bad(row, problem)
        except Exception:
            self.give_back()
            raise

    def raw(self) -> Iterator[list[str]]:
        """Yield the rows as texts."""
        if self._opened is None:
            self._open()
        assert self._opened is not None
        while True:
            try:
                row = self._next(self._opened)
            except _BadRow as error:
                # A new reader, since only a new _lines() starts with the lines to read again.
                self._opened = csv_module.reader(self._lines(), strict=True)
                self._context.bad(error.row, SourceError(str(error)))
                continue
            if row is None:
                return
            if row:
                yield row

    def _open(self) -> None:
        """Read the header."""
        self._opened = csv_module.reader(self._lines(), strict=True)
        try:
            header = self._next(self._opened)
        except _BadRow as error:
            raise SourceError(str(error)) from None
        if header is None:
            raise self.file.problem("file must have a header, got an empty file")
        self._width = len(header)
        self._columns = self._found(header)

    def is_between_lines(self) -> bool:
        return self._opened is not None and not self._again and self._error is None

    def parser(self) -> Parse:
        return CsvBlocks(self._columns, self._width, self._of).parse

    def give_back(self) -> None:
        """Count the lines of the current row as not read."""
        self.file.give_back(self._taken)
        self._taken.clear()

    def position(self) -> Any:
        return self.file.position()

    def seek(self, position: Any) -> None:
        self.file.verify(position)
        if position["byte"]:
            self._open()
            self.file.skip_to(position)

    def is_good(self, row: list[str], line: int) -> bool:
        """Return True if a row can be converted; report one that cannot."""
        # Messages name the line of this row, not the last one read.
        at, self.file.line = self.file.line, line
        try:
            self._fields(row)
        except _BadRow as error:
            self._context.bad(error.row, SourceError(str(error)))
            return False
        finally:
            self.file.line = at
        return True

    def convert(self, columns: list[list[str]]) -> Any:
        """Convert columns of text to the types of their fields.

        Raises:
            ValueError: If a text cannot be converted.
        """
        from rxdag.columns import Columns, column_of  # they load numpy

        if len(columns) != self._width:
            raise ValueError("rows must be as long as the header")
        made = {name: column_of([convert(text) for text in columns[at]]) for name, at, _, convert in self._columns}
        return Columns.from_columns(made, self._of)

    def _lines(self) -> Iterator[str]:
        taken = self._taken
        while self._again:
            taken.append(self._again.pop())
            self.file.take_again(taken[-1])
            yield taken[-1]
        for line in self._fresh:
            taken.append(line)
            yield line

    def _next(self, rows: Iterator[list[str]]) -> list[str] | None:
        """Return the next row, None at the end.

        Raises:
            _BadRow: If the row is not valid CSV. Only its first line is the bad row; the others are read again, so that
                a quote that is never closed costs one line although the parser has read on.
        """
        self._taken.clear()
        try:
            return next(rows, None)
        except csv_module.Error as error:
            first, *others = self._taken
            others.reverse()
            self._taken[1:] = []
            self._again += others
            self.file.give_back(others)
            message = f"must be CSV, got {text_of(error)}: {shown(first, most=80)}"
            raise _BadRow(str(self.file.problem(message)), [first]) from None

    def _found(self, header: list[str]) -> list[CsvColumn]:
        names = [name.strip() for name in header]
        at = {name: i for i, name in enumerate(names)}
        check_columns(self._of, names, lambda what: self.file.problem(f"header {what}"))
        types = record_fields(self._of, "csv")
        return [(name, at[name], kind, self._converter(name, kind)) for name, kind in types.items() if name in at]

    def _converter(self, name: str, hint: Any) -> Callable[[str], Any]:
        try:
            return converter(hint, self._zone)
        except TypeError:
            raise self.file.problem(f'column "{name}" {no_text(hint)}') from None

    def _fields(self, row: list[str]) -> dict[str, Any]:
        width = self._width
        if len(row) != width:
            raise _BadRow(
                str(self.file.problem(f"must have {width} values, got {len(row)}: {shown(row, most=80)}")), row
            )
        fields: dict[str, Any] = {}
        for name, at, _, convert in self._columns:
            try:
                fields[name] = convert(row[at])
            except ValueError as error:
                raise _BadRow(
                    str(self.file.problem(f'column "{name}": {text_of(error)}, got {shown(row[at], most=80)}')), row
                ) from None
        return fields

    def progress(self) -> float | None:
        return self.file.progress()

    def close(self) -> None:
        super().close()
        self.file.close()


class _CsvColumnsReader(LinesReader):
    """Reads a CSV file as columns; a run with a malformed row is taken apart row by row."""

    def __init__(self, rows: _CsvReader) -> None:
        self._rows = rows
        self.file = rows.file
        self._error: Exception | None = None
        self._lines: list[int] = []
        self._ends: list[int] = []

    def read(self, max_items: int) -> Read:
        if self._error is not None:
            raise self._error
        while True:
            rows = self._raw(max_items)
            if not rows:
                return END
            try:
                columns = self._rows.convert([list(column) for column in zip(*rows, strict=True)])
            except (ValueError, SourceError):
                columns = self._one_by_one(rows)
            if columns is not None:
                return Chunk(columns)
            if self._error is not None:
                raise self._error

    def _raw(self, max_items: int) -> list[list[str]]:
        """Return rows, and note the line and the byte before the first and at the end of each."""
        rows: list[list[str]] = []
        file = self._rows.file
        lines, ends = [file.line], [file.byte]
        self._lines, self._ends = lines, ends
        try:
            for row in self._rows.raw():
                rows.append(row)
                lines.append(file.line)
                ends.append(file.byte)
                if len(rows) == max_items:
                    break
        except Exception as error:
            self._rows.give_back()
            if not rows:
                raise
            self._error = error  # items before the error are delivered first
        return rows

    def _one_by_one(self, rows: list[list[str]]) -> Any:
        file = self._rows.file
        good: list[list[str]] = []
        read = 0
        try:
            for row, line in zip(rows, self._lines[1:], strict=True):
                if self._rows.is_good(row, line):
                    good.append(row)
                read += 1
        except Exception as error:
            self._error = error
            file.set_back(self._lines[read], self._ends[read])
        return self._rows.convert([list(column) for column in zip(*good, strict=True)]) if good else None

    def is_between_lines(self) -> bool:
        return self._rows.is_between_lines() and self._error is None

    def parser(self) -> Parse:
        return self._rows.parser()

    def position(self) -> Any:
        return self._rows.position()

    def seek(self, position: Any) -> None:
        self._rows.seek(position)

    def progress(self) -> float | None:
        return self._rows.progress()

    def close(self) -> None:
        self._rows.close()


class _BadRow(SourceError):
    def __init__(self, message: str, row: list[str] | None) -> None:
        super().__init__(message)
        self.row = row


@dataclass(frozen=True)
class _Csv(Source[T]):
    path: str
    of: Any
    shape: Shape = field(repr=False)
    where: Where = field(repr=False)
    zone: tzinfo | None = None
    label = "csv"

    @property
    def gives_columns(self) -> bool:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]  # some are read row by row
        return self.where == "inline" and not checks_itself(self.of)

    @property
    def is_stored(self) -> bool:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]  # as above
        return self.where == "inline"

    @property
    def no_position(self) -> str | None:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]  # as above
        return None if self.where == "inline" else RECEIVES

    def open(self, context: SourceContext) -> Reader:
        rows = _CsvReader(self.path, self.of, self.zone, context)
        reader = _CsvColumnsReader(rows) if context.wants_columns else rows
        return BlocksReader(reader) if self.gives_columns and find_spec("pyarrow") is not None else reader


def csv(path: str | PathLike[str], /, of: type[T], *, tz: str | tzinfo | None = None) -> Source[T]:
    """Read a CSV file with a header, row by row, as typed items.

    Columns are matched by name; columns without a field are ignored. An empty value of an optional field is None. A row
    is also malformed if a value is beyond a limit of `msgspec.Meta` or if `__post_init__` of the type rejects it; a
    type with `__post_init__` is read row by row.

    A malformed row ends the run, with file, line, column and value; with `from_source(..., on_error="dead")` it goes to
    port "dead" as a list of texts and the run continues. A row that is not valid CSV goes there as a list of one text,
    its first line, and reading continues with the next line, so a quote that is never closed costs one row. A header
    without any field of the type, a truncated file and invalid UTF-8 always end the run. Digits of a time below
    the microsecond are discarded, except for np.datetime64. A field may have up to 131,072 characters, the limit of the
    module `csv`.

    If pyarrow is installed (extra "arrow"), it parses the file in blocks of about 1 MiB, with the same result. A block
    with quotes, a malformed row, or a number such as nan is read row by row, which is several times slower.

    Args:
        path: Path of the file, UTF-8; ".gz" is decompressed; "-" for stdin.
        of: Type of the items: a msgspec.Struct, dataclass, NamedTuple or TypedDict. Each field has a type that a single
            text can represent: numbers, bool, text, bytes (base64), times (ISO 8601, np.datetime64 to the nanosecond),
            UUID, enumerations, Literal, and unions of these. Numbers are written as in data files: no `1_000`, and no
            1e400.
        tz: Time zone of times without one: an IANA name such as "America/New_York", or a tzinfo. By default such times
            are malformed. If a local time occurs twice, when clocks are set back, the first instant is used; one that
            does not exist, when they are set forward, is malformed. Times with a zone keep it.

    Raises:
        GraphError: If `of` is not such a type or requires a field of another type, or the zone is unknown.

    Example:
        >>> trades = rxdag.from_source(sources.csv("trades.csv.gz", Trade))
    """
    check_texts(record_fields(of, "csv"), required_fields(of), of)
    text = checked_path(path, "csv")
    return _Csv(text, of, Shape(of), "blocking" if text == "-" else "inline", zone_of(tz, "csv: tz"))
