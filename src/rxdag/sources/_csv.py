"""CSV files."""

from __future__ import annotations

import csv as csv_module
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from os import PathLike, fspath
from typing import Any, TypeVar

from rxdag.contract import Reader, Shape, Source, SourceContext, Where
from rxdag.errors import SourceError
from rxdag.sources._files import LineFile, text_of
from rxdag.sources._iterable import IteratorReader
from rxdag.sources._records import build, check_columns, converter, record_fields, required_fields

T = TypeVar("T")

Column = tuple[str, int, Callable[[str], Any]]


class _CsvReader(IteratorReader):
    def __init__(self, path: str, of: Any, context: SourceContext) -> None:
        self._of = of
        self._context = context
        self._file = LineFile(path, "csv")
        super().__init__(self._parse(), blocking=path == "-")

    def _parse(self) -> Generator[Any]:
        # newline handling is csv's: a quoted field may hold line ends
        rows = csv_module.reader(self._file.lines(), strict=True)
        header = self._next(rows)
        if header is None:
            raise self._file.problem("file must have a header, got an empty file")
        columns = self._columns(header)
        make = build(self._of)
        while True:
            try:
                row = self._next(rows)
                if row is None:
                    return
                if row:
                    yield make(self._fields(row, len(header), columns))
            except _BadRow as error:
                self._context.bad(error.row, SourceError(str(error)))

    def _next(self, rows: Iterator[list[str]]) -> list[str] | None:
        try:
            return next(rows, None)
        except csv_module.Error as error:
            raise _BadRow(str(self._file.problem(f"must be CSV, got {error}")), None) from None

    def _columns(self, header: list[str]) -> list[Column]:
        at = {name.strip(): i for i, name in enumerate(header)}
        check_columns(self._of, at, self._file.problem)
        types = record_fields(self._of, "csv")
        return [(name, at[name], converter(kind)) for name, kind in types.items() if name in at]

    def _fields(self, row: list[str], width: int, columns: list[Column]) -> dict[str, Any]:
        if len(row) != width:
            raise _BadRow(str(self._file.problem(f"must have {width} values, got {len(row)}: {text_of(row)}")), row)
        fields: dict[str, Any] = {}
        for name, at, convert in columns:
            try:
                fields[name] = convert(row[at])
            except ValueError as error:
                raise _BadRow(
                    str(self._file.problem(f'column "{name}": {error}, got {text_of(row[at])}')), row
                ) from None
        return fields

    def close(self) -> None:
        super().close()
        self._file.close()


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
    label = "csv"

    def open(self, context: SourceContext) -> Reader:
        return _CsvReader(self.path, self.of, context)


def csv(path: str | PathLike[str], of: type[T], /) -> Source[T]:
    """Read a CSV file with a header, row by row, as typed items.

    Columns are found by name; those that the type does not have are left out. An empty value of an optional field is
    None. A malformed row ends the run, with file, line, column and value; with `from_source(..., on_error=
    on_error.dead)` it goes to port "dead" as a list of texts and the run goes on. A truncated file or invalid UTF-8
    ends the run always: nothing behind it can be trusted.

    Args:
        path: Of the file, UTF-8; ".gz" is unpacked; "-" for stdin.
        of: Type of the items: a msgspec.Struct, dataclass, NamedTuple or TypedDict.

    Raises:
        GraphError: If `of` is none of these.

    Example:
        >>> trades = rxdag.from_source(sources.csv("trades.csv.gz", Trade))
    """
    record_fields(of, "csv")
    required_fields(of)
    text = fspath(path)
    return _Csv(text, of, Shape(of), "blocking" if text == "-" else "inline")
