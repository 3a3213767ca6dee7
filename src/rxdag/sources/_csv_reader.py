"""Readers of CSV files: row by row, and as columns."""

from __future__ import annotations

import csv as csv_module
from collections.abc import Callable, Generator, Iterator, Sequence
from datetime import tzinfo
from itertools import chain, islice
from typing import Any

from rxdag.contract import END, Chunk, LineFile, Read, SourceContext
from rxdag.errors import SourceError, shown, text_of
from rxdag.sources._blocks import LinesReader, Parse
from rxdag.sources._csv_blocks import CsvBlocks, CsvColumn
from rxdag.sources._csv_names import columns_by_field
from rxdag.sources._dialect import Dialect
from rxdag.sources._iterable import IteratorReader
from rxdag.sources._records import build, record_fields, refused
from rxdag.sources._texts import converter, no_text


class CsvReader(IteratorReader, LinesReader):
    """Reads a CSV file row by row.

    Args:
        path: Path of the file; "-" for stdin.
        of: Type of the items.
        zone: Zone of times without one.
        dialect: Form of the file.
        context: Context of the source.
    """

    def __init__(self, path: str, of: Any, zone: tzinfo | None, dialect: Dialect, context: SourceContext) -> None:
        self._of = of
        self._zone = zone
        self._dialect = dialect
        self._marks = tuple(mark for mark in (dialect.comment, dialect.trailer) if mark is not None)
        """Beginnings of lines that are not rows."""
        self._lacks_trailer = dialect.trailer is not None
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
                self._opened = self._parsed()
                self._context.bad(error.row, SourceError(str(error)))
                continue
            if row is None:
                self._check_trailer()
                return
            if row:
                yield row

    def _open(self) -> None:
        """Pass the lines before the rows, and find the columns."""
        for _ in islice(self._fresh, self._dialect.skip_lines):
            pass
        self._opened = self._parsed()
        names = self._dialect.header
        if names is True:
            names = self._header(self._opened)
        elif names is False:
            names = tuple(record_fields(self._of, "csv"))
        self._width = len(names)
        self._columns = self._found(names)

    def _parsed(self) -> Iterator[list[str]]:
        """Return the parser of the rows."""
        dialect = self._dialect
        return csv_module.reader(
            self._lines(),
            delimiter=dialect.delimiter,
            quotechar=dialect.quote,
            quoting=csv_module.QUOTE_NONE if dialect.quote is None else csv_module.QUOTE_MINIMAL,
            strict=True,
        )

    def _header(self, rows: Iterator[list[str]]) -> list[str]:
        try:
            header = self._next(rows)
        except _BadRow as error:
            raise SourceError(str(error)) from None
        if header is None:
            got = "only lines before it" if self.file.byte else "an empty file"
            problem = self.file.problem(f"file must have a header, got {got}")
            self.file.set_back(0, 0)
            raise problem
        return [name.strip() for name in header]

    def is_between_lines(self) -> bool:
        return self._opened is not None and not self._again and self._error is None

    def parser(self) -> Parse:
        return CsvBlocks(self._columns, self._width, self._of, self._dialect).parse

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
        """Yield the lines of rows."""
        taken, marks, trailer = self._taken, self._marks, self._dialect.trailer
        for lines in (self._lines_again(), self._fresh):
            for line in lines:
                # A line inside a quoted value is none of these.
                if marks and not taken and line.startswith(marks):
                    if trailer is not None and line.startswith(trailer):
                        self._end_at(line)
                        return
                    continue
                taken.append(line)
                yield line

    def _lines_again(self) -> Iterator[str]:
        while self._again:
            line = self._again.pop()
            self.file.take_again(line)
            yield line

    def _end_at(self, trailer: str) -> None:
        """Check that nothing follows the trailer, and count it as not read, so that it is there after a restart too."""
        lines = [trailer]
        problem = None
        for line in chain(self._lines_again(), self._fresh):
            lines.append(line)
            if line.strip():
                problem = self.file.problem(f"must be the end of the file, after the trailer, got {_brief(line)}")
                break
        self.file.give_back(lines)
        if problem is not None:
            raise problem
        self._lacks_trailer = False

    def _check_trailer(self) -> None:
        if self._lacks_trailer:
            raise self.file.problem(
                f"the last line must begin with {shown(self._dialect.trailer)}, got the end of the file; it is truncated: "
                "fetch it again"
            )

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
            message = f"must be CSV, got {text_of(error)}: {_brief(first)}"
            raise _BadRow(str(self.file.problem(message)), [first]) from None

    def _found(self, names: Sequence[str]) -> list[CsvColumn]:
        at = columns_by_field(self._of, names, self._dialect, lambda what: self.file.problem(f"header {what}"))
        types = record_fields(self._of, "csv")
        return [(name, at[name], kind, self._converter(name, kind)) for name, kind in types.items() if name in at]

    def _converter(self, name: str, hint: Any) -> Callable[[str], Any]:
        try:
            return converter(hint, self._zone, self._dialect)
        except TypeError:
            raise self.file.problem(f'column "{name}" {no_text(hint)}') from None

    def _fields(self, row: list[str]) -> dict[str, Any]:
        width = self._width
        if len(row) != width:
            fix = "; give the names of all columns, as Dialect(header=[...])" if self._dialect.header is False else ""
            raise _BadRow(str(self.file.problem(f"must have {width} values, got {len(row)}: {_brief(row)}{fix}")), row)
        fields: dict[str, Any] = {}
        for name, at, _, convert in self._columns:
            try:
                fields[name] = convert(row[at])
            except ValueError as error:
                raise _BadRow(
                    str(self.file.problem(f'column "{name}": {text_of(error)}, got {_brief(row[at])}')), row
                ) from None
        return fields

    def progress(self) -> float | None:
        return self.file.progress()

    def close(self) -> None:
        super().close()
        self.file.close()


class CsvColumnsReader(LinesReader):
    """Reads a CSV file as columns; a run with a malformed row is taken apart row by row."""

    def __init__(self, rows: CsvReader) -> None:
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


def _brief(given: object) -> str:
    return shown(given, most=80)
