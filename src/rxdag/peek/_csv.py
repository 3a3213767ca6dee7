"""Layouts of CSV files."""

from __future__ import annotations

from collections.abc import Sequence
from os.path import basename

from rxdag.errors import shown
from rxdag.peek._column import Column, column_of, has_comma
from rxdag.peek._head import Head
from rxdag.peek._program import Layout, field_names, quoted
from rxdag.peek._table import Table, table_of
from rxdag.peek._times import time_of

_NAMES_OF_DELIMITERS = {"\t": "tab", " ": "space"}


def csv_layout(path: str, head: Head, lines: Sequence[str]) -> Layout | None:
    """Return the layout of a CSV file; None if the lines are no table."""
    table = table_of(lines, is_whole=head.is_whole, last=head.last)
    if table is None:
        return None
    cells = list(zip(*table.rows, strict=True)) or [()] * table.width
    comma = table.delimiter != "," and any(map(has_comma, cells))
    names = table.names or [f"column_{at}" for at in range(1, table.width + 1)]
    columns = [column_of(name, values, comma=comma) for name, values in zip(names, cells, strict=True)]
    return Layout(
        path,
        _words_for(table, head),
        "csv",
        columns,
        dialect=_dialect(table, columns, comma=comma),
        form="named" if _has_header(table) else "ordered",
        time=time_of(columns, basename(path), has_names=table.names is not None),
        checks=_checks(table, head),
    )


def _has_header(table: Table) -> bool:
    """Return True if columns are found by the names in the header."""
    names = table.names
    return names is not None and not table.is_named_apart and len(set(names)) == len(names)


def _dialect(table: Table, columns: Sequence[Column], *, comma: bool) -> dict[str, str]:
    """Return the arguments of the dialect that are not the usual ones, as code."""
    options: dict[str, str] = {}
    if table.delimiter != ",":
        options["delimiter"] = quoted(table.delimiter)
    if table.quote != '"':
        options["quote"] = "None" if table.quote is None else quoted(table.quote)
    skip = table.skip_lines
    if table.names is None:
        options["header"] = "False"
    elif not _has_header(table):
        options["header"] = f"[{', '.join(map(quoted, field_names(columns)))}]"
        skip += not table.is_named_apart
    if skip:
        options["skip_lines"] = str(skip)
    if table.comment is not None:
        options["comment"] = quoted(table.comment)
    if table.trailer is not None:
        options["trailer"] = quoted(table.trailer)
    if comma:
        options["decimal"] = '","'
    nulls = sorted({text for column in columns for text in column.nulls})
    if nulls:
        options["nulls"] = f"[{', '.join(map(quoted, nulls))}]"
    return options


def _words_for(table: Table, head: Head) -> str:
    between = _NAMES_OF_DELIMITERS.get(table.delimiter, f'"{table.delimiter}"')
    names = (
        "without names"
        if table.names is None
        else "named in a comment"
        if table.is_named_apart
        else "named in a header"
    )
    return f"CSV{head.packed}, {table.width} columns {names}, {between} between them"


def _checks(table: Table, head: Head) -> list[str]:
    checks = [] if head.is_whole else [f"The types fit the first {len(table.rows):,} rows; the others were not read."]
    if not table.rows:
        checks.append("The file has no rows: all fields are texts.")
    if head.last is None and table.delimiter != ",":
        checks.append(
            "The end of a compressed file is not read: if its last line is not a row, pass trailer= its beginning."
        )
    if table.odd is not None:
        number, line = table.odd
        checks.append(
            f"Line {number:,} does not have {table.width} values, which ends the run: {shown(line, most=60)}."
        )
    return checks
