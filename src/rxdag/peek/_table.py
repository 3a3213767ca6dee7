"""Tables in text: delimiter, quotes, header, comments, lines that are no rows."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from rxdag.peek._column import is_typed

_DELIMITERS: Final = "\t|;, "
_COMMENTS: Final = ("#", "//", "%")
_QUOTES: Final = ('"', None, "'")
_SAMPLE: Final = 500
"""Number of lines that decide on the form."""
_DECIMAL: Final = re.compile(r"[+-]?[0-9]+,[0-9]+")
_WORD: Final = re.compile(r"[^0-9\s]+")

_Row: TypeAlias = tuple[int, list[str]]
"""Number of lines before a row, and its cells."""


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        delimiter: Character between two cells.
        quote: Character around a cell; None if quotes have no meaning.
        rows: Its rows, all of the same length.
        width: Number of cells of a row.
        names: Names of the columns; None if there are none.
        skip_lines: Number of lines before the header, or before the first row.
        comment: Beginning of lines that are not rows.
        trailer: Beginning of the last line, if it is not a row.
        is_named_apart: True if the names are in a comment.
        odd: The first line that does not have the width of the others, and its number; None if there is none.
    """

    delimiter: str
    quote: str | None
    rows: list[list[str]]
    width: int
    names: list[str] | None = None
    skip_lines: int = 0
    comment: str | None = None
    trailer: str | None = None
    is_named_apart: bool = False
    odd: tuple[int, str] | None = None


def table_of(lines: Sequence[str], *, is_whole: bool, last: str | None) -> Table | None:
    """Return the table that lines are; None if they are none.

    Args:
        lines: The first lines of a file.
        is_whole: True if these are all.
        last: The last line of the file; None if it is not known.
    """
    comment = next((mark for mark in _COMMENTS if _is_comment(lines, mark)), None)
    kept = [(at, line) for at, line in enumerate(lines) if comment is None or not line.startswith(comment)]
    sample = kept[:_SAMPLE]
    forms = [(delimiter, quote) for delimiter in _DELIMITERS for quote in _QUOTES]
    scored = [(_score(_parsed(sample, *form), len(sample), form[0]), form) for form in forms]
    score, form = max(scored, key=lambda each: each[0])  # the first of equal ones
    if score[0] <= 0:
        form = (",", '"')
        if not _is_single(sample):
            return None
    rows = _parsed(kept, *form)
    return _with_names(rows, form, lines, comment, last if is_whole or last is not None else None)


def _is_comment(lines: Sequence[str], mark: str) -> bool:
    marked = sum(line.startswith(mark) for line in lines)
    return 0 < marked <= len([line for line in lines if line.strip()]) / 2


def _parsed(lines: Sequence[tuple[int, str]], delimiter: str, quote: str | None) -> list[_Row]:
    """Return the rows of numbered lines, up to the first one that is not valid."""
    reader = csv.reader(
        (f"{line}\n" for _, line in lines),
        delimiter=delimiter,
        quotechar=quote,
        quoting=csv.QUOTE_NONE if quote is None else csv.QUOTE_MINIMAL,
        strict=True,
    )
    rows: list[_Row] = []
    begin = 0
    try:
        for row in reader:
            if row:
                rows.append((lines[begin][0], row))
            begin = reader.line_num
    except csv.Error:
        pass
    return rows


def _score(rows: list[_Row], n_lines: int, delimiter: str) -> tuple[float, int]:
    """Return how well rows are a table: the share of lines in it times that of plain cells, and its width; 0 for none."""
    width = _width(rows)
    regular = [row for _, row in rows if len(row) == width]
    is_chance = delimiter == " " and len(regular) < 2
    if width < 2 or is_chance or len(regular) < 0.9 * (len(rows) - _first(rows, width) - 1):
        return 0, 0
    others = re.compile(f"[{re.escape(_DELIMITERS.replace(delimiter, '').strip(' '))}]")
    cells = [cell for row in regular[:100] for cell in row]
    plain = sum(_is_plain(cell, others) for cell in cells)
    return len(regular) / n_lines * plain / len(cells), width


def _is_plain(cell: str, others: re.Pattern[str]) -> bool:
    if len(cell) > 1 and cell[0] == cell[-1] and cell[0] in "\"'":
        return False
    return others.search(cell) is None or _DECIMAL.fullmatch(cell) is not None


def _width(rows: list[_Row]) -> int:
    """Return the most frequent length of rows."""
    return Counter(len(row) for _, row in rows).most_common(1)[0][0] if rows else 0


def _first(rows: list[_Row], width: int) -> int:
    return next(at for at, (_, row) in enumerate(rows) if len(row) == width)


def _is_single(lines: Sequence[tuple[int, str]]) -> bool:
    """Return True for a column of numbers or times, with or without a name."""
    cells = [line.strip() for _, line in lines if line.strip()]
    return len(cells) > 1 and all(map(is_typed, cells[1:])) and not any("{" in cell for cell in cells)


def _with_names(
    rows: list[_Row],
    form: tuple[str, str | None],
    lines: Sequence[str],
    comment: str | None,
    last: str | None,
) -> Table:
    width = _width(rows)
    first = _first(rows, width)
    skip = rows[first][0] if first else 0
    odd = next(((at, row) for at, row in rows[first:-1] if len(row) != width), None)
    regular = [row for _, row in rows[first:] if len(row) == width]
    table = Table(*form, regular, width, skip_lines=skip, comment=comment)
    table = replace(table, odd=None if odd is None else (odd[0] + 1, lines[odd[0]]))
    table = _without_trailer(table, last)
    if _is_header(table.rows[0], table.rows[1:]):
        return replace(table, names=[name.strip() for name in table.rows[0]], rows=table.rows[1:])
    apart = _names_apart(table, lines[: rows[first][0]])
    return table if apart is None else replace(table, names=apart, is_named_apart=True)


def _is_header(first: list[str], rest: list[list[str]]) -> bool:
    """Return True if the first row has names: texts, above columns that are no texts or do not have them again."""
    if any(map(is_typed, first)) or sum(not cell for cell in first) > 1:
        return False
    columns = list(zip(*rest, strict=True))
    has_types = any(any(map(is_typed, column)) for column in columns)
    return has_types or not any(cell in column for cell, column in zip(first, columns, strict=False))


def _names_apart(table: Table, before: Sequence[str]) -> list[str] | None:
    """Return the names of columns in the comment above the first row, if there are as many."""
    if table.comment is None or not before or not before[-1].startswith(table.comment):
        return None
    line = before[-1].lstrip(table.comment).strip()
    rows = _parsed([(0, line)], table.delimiter, table.quote)
    names = [name.strip() for name in rows[0][1]] if rows else []
    return names if len(names) == table.width and _is_header(names, table.rows) else None


def _without_trailer(table: Table, last: str | None) -> Table:
    """Return the table with its trailer: a last line that begins with a word of its own, where rows have none or are longer."""
    if last is None or len(table.rows) < 2:
        return table
    cells = last.split(table.delimiter)
    word, is_row = cells[0], len(cells) == table.width
    rows = table.rows[:-1] if table.rows[-1] == cells else table.rows
    above = [row[0] for row in rows[1:]]
    if not _WORD.fullmatch(word) or is_typed(word) or not above or word in above:
        return table
    if is_row and not all(map(is_typed, above)):
        return table
    return replace(table, rows=rows, trailer=word + table.delimiter if table.delimiter in last else word)
