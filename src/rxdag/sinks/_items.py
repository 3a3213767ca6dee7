"""Items: the list that looks and `sinks.collect` return, which shows records as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from html import escape
from typing import Any, Final, SupportsIndex, TypeVar, overload

from rxdag.contract import MAX, MIN, Pane, Shape, iso_utc
from rxdag.errors import shown
from rxdag.sinks._flatten import flatten, is_numpy_time, time_text

T = TypeVar("T")

_MOST_ROWS: Final = 20
"""Maximum number of rows shown; of a longer list, the first and the last ones."""
_CELL_CHARS: Final = 60
_LINE_CHARS: Final = 100
"""Maximum length of a list that is printed as a list, in characters."""
_CONSTANT: Final = {"revision": 0, "closed_by": "watermark"}
"""Columns of panes that are left out while they hold these values."""
_SUSPECT_NS: Final = ((946 * 10**9, 4_103 * 10**9), (946_684_800 * 10**6, 4_102_444_800 * 10**6))
"""Ranges in which the instants of 2000 to 2100 lie if their unit is a million times, or a thousand times, too small."""


class Items(list[T]):
    """A list of items that is shown as a table.

    It equals, and behaves as, a list. Notebooks show a table; `print` shows a table of records that do not fit on a
    line, and a list of anything else. In a table, starts and ends of panes and the times that were passed to
    `ops.event_time` by name are dates in UTC.
    """

    def __init__(self, items: Sequence[T] = (), /, shape: Shape | None = None) -> None:
        super().__init__(items)
        self._shape = shape or Shape()

    @overload
    def __getitem__(self, at: SupportsIndex, /) -> T: ...
    @overload
    def __getitem__(self, at: slice, /) -> Items[T]: ...
    def __getitem__(self, at: SupportsIndex | slice, /) -> T | Items[T]:
        found: Any = super().__getitem__(at)
        return Items(found, self._shape) if isinstance(at, slice) else found

    def __reduce__(self) -> tuple[Any, ...]:
        return Items, ((), self._shape), None, iter(self)  # one by one, as of a list, which may contain itself

    def __str__(self) -> str:
        is_short = len(self) <= _MOST_ROWS and len(repr(self)) <= _LINE_CHARS
        return repr(self) if is_short or not all(map(_is_record, self._shown())) else self._table().text()

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # IPython's protocol
        """Show the same in the terminal of IPython as `print`."""
        printer.text(str(self))

    def _repr_html_(self) -> str:
        """Return the table that a notebook shows."""
        return self._table().html()

    def _shown(self) -> list[Any]:
        half = _MOST_ROWS // 2
        return list(self) if len(self) <= _MOST_ROWS else [*self[:half], *self[-half:]]

    def _table(self) -> _Table:
        shape, given = self._shape, self._shown()
        times = dict(shape.times)
        rows = [_cells_of(item, shape.key_names, times) for item in given]
        names = list(dict.fromkeys(name for row in rows for name in row))
        if all(isinstance(item, Pane) for item in given):
            names = [name for name in names if not all(row[name] == _CONSTANT.get(name, row) for row in rows)]
        columns = [[row.get(name) for row in rows] for name in names]
        right = tuple(all(map(_is_number, column)) for column in columns)
        body = [[_text(row[name]) if name in row else "" for name in names] for row in rows]
        return _Table(tuple(names), body, right, len(self), _doubt_of(columns))


@dataclass(frozen=True)
class _Table:
    """The visible part of a list, as texts.

    Attributes:
        names: Names of the columns.
        rows: Cells of the rows.
        right: Which columns are aligned to the right.
        n: Length of the list.
        doubt: A question about the unit of the times; empty if they look right.
    """

    names: tuple[str, ...]
    rows: list[list[str]]
    right: tuple[bool, ...]
    n: int
    doubt: str

    def text(self) -> str:
        lines = _aligned([list(self.names), *self.rows], self.right)
        if self.n > len(self.rows):
            lines.insert(1 + _MOST_ROWS // 2, "...")
        return "\n".join([*lines, *self._notes()])

    def html(self) -> str:
        head = "".join(f"<th>{escape(name)}</th>" for name in self.names)
        rows = [
            "".join(
                f'<td style="text-align:{"right" if is_right else "left"}">{escape(cell)}</td>'
                for cell, is_right in zip(row, self.right, strict=True)
            )
            for row in self.rows
        ]
        if self.n > len(rows):
            rows.insert(_MOST_ROWS // 2, f'<td colspan="{len(self.names)}">&#8230;</td>')
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>" if rows else ""
        return table + "".join(f"<p>{escape(note)}</p>" for note in self._notes())

    def _notes(self) -> list[str]:
        counted = "1 item" if self.n == 1 else f"{self.n:,} items"
        return [counted, self.doubt] if self.doubt else [counted]


def _aligned(lines: list[list[str]], right: tuple[bool, ...]) -> list[str]:
    """Return lines of cells as text, in columns."""
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if is_right else cell.ljust(width)
            for cell, width, is_right in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in lines
    ]


def _is_record(item: object) -> bool:
    return list(_flat(item, ())) != ["value"]


def _flat(item: Any, key_names: tuple[str, ...]) -> dict[str, Any]:
    """Return an item as a flat row, or whole if it cannot be one: a look must not fail."""
    try:
        return flatten(item, key_names)
    except Exception:
        return {"value": item}


class _Instant(int):
    """Nanoseconds since the epoch, UTC."""


def _cells_of(item: Any, key_names: tuple[str, ...], times: dict[str, int]) -> dict[str, Any]:
    """Return an item as a flat row, with its times as instants."""
    row = _flat(item, key_names)
    if isinstance(item, Pane) and "start" in row:
        row["start"], row["end"] = _Instant(item.start), _Instant(item.end)
    for name, scale in times.items():
        if type(row.get(name)) is int:
            row[name] = _Instant(row[name] * scale)
    return row


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool | _Instant))


def _text(value: Any) -> str:
    if isinstance(value, _Instant):
        return iso_utc(value) if MIN < value < MAX else "-inf" if value < 0 else "inf"
    if isinstance(value, float):
        return f"{value:.10g}"
    if isinstance(value, datetime | date):
        return value.isoformat()
    if is_numpy_time(value):
        return time_text(value)
    text = value if isinstance(value, str) else shown(value, most=_CELL_CHARS)
    return text if len(text) <= _CELL_CHARS else f"{text[: _CELL_CHARS - 3]}..."


def _doubt_of(columns: list[list[Any]]) -> str:
    """Return a question about `unit=` if all times are in the range of a wrong unit, else an empty text."""
    instants = [value for column in columns for value in column if isinstance(value, _Instant)]
    if instants and any(low <= min(instants) and max(instants) <= high for low, high in _SUSPECT_NS):
        return f"times are at {iso_utc(min(instants))}: is unit= of event_time right?"
    return ""
