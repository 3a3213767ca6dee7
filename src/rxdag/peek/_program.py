"""Programs: a layout as a type, a source, and event times."""

from __future__ import annotations

import json
import keyword
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from textwrap import indent
from typing import Final

from rxdag.peek._column import Column
from rxdag.peek._times import Time

_WIDTH: Final = 100
_IMPORTS: Final = (
    (
        ("datetime", "import datetime"),
        ("Decimal", "from decimal import Decimal"),
        ("Any", "from typing import Any"),
    ),
    (("msgspec", "import msgspec"), ("np", "import numpy as np"), ("pyarrow", "import pyarrow")),
    (
        ("rxdag", "import rxdag"),
        ("ops", "from rxdag import operators as ops"),
        ("sources", "from rxdag import sources"),
    ),
)
_TAKEN: Final = re.compile("int|float|str|bool|bytes|dict|list|Any|Decimal|datetime|np|msgspec|rxdag|ops|sources")
"""Names that the program uses itself."""


@dataclass(frozen=True)
class Layout:
    """The form of a file, and how a program reads it.

    Attributes:
        path: Path of the file.
        saw: What it is, in words.
        source: Name of the source.
        columns: Its columns; empty if its items are no records.
        of: Code of the type of the items; None for dicts.
        data: Code of the first argument of the source; None for the path.
        dialect: Arguments of the dialect, as code.
        tz: Zone of times without one, for the source.
        form: How a record is written: "named", "ordered" or "array".
        time: The event time; None if no column has times.
        ts: Code of a function that returns the time of an item; None to take the column.
        options: Other arguments of the source, as code.
        checks: What was assumed.
    """

    path: str
    saw: str
    source: str
    columns: Sequence[Column]
    of: str | None = "Row"
    data: str | None = None
    dialect: Mapping[str, str] = field(default_factory=lambda: dict[str, str]())
    tz: str | None = None
    form: str = "named"
    time: Time | None = None
    ts: str | None = None
    options: Mapping[str, str] = field(default_factory=lambda: dict[str, str]())
    checks: Sequence[str] = ()


def quoted(text: str) -> str:
    """Return a text as code."""
    return json.dumps(text, ensure_ascii=False)


def field_names(columns: Iterable[Column]) -> list[str]:
    """Return a name for the field of each column: its own if it can be one, else a similar one; all differ."""
    names: list[str] = []
    for at, column in enumerate(columns, 1):
        name = column.name
        if not _may_be_field(name):
            name = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_").lower() or f"column_{at}"
            name = name if name[0].isalpha() else f"column_{name}"
            name = name if _may_be_field(name) else f"{name}_"
        while name in names:
            name += "_"
        names.append(name)
    return names


def _may_be_field(name: str) -> bool:
    return (
        name.isidentifier() and not keyword.iskeyword(name) and not _TAKEN.fullmatch(name) and not name.startswith("_")
    )


def text_of(layout: Layout) -> str:
    """Return the program of a layout."""
    names = field_names(layout.columns)
    time = layout.time
    head = [f"# {layout.path}: {layout.saw}."]
    if time is None:
        head.append("# Event time: none found; pass the field that has it to ops.event_time.")
    else:
        head.append(f"# Event time: {names[layout.columns.index(time.column)]} is {time.reason}.")
    head += [f"# Check: {check}" for check in (*layout.checks, *(time.checks if time else ()))]
    row = _type(layout, names) if layout.of is not None and "Row" in layout.of else ""
    calls = "\n".join(_calls(layout, names))
    return "\n\n".join(["\n".join(head), _imports(f"{row}\n{calls}"), *([f"\n{row}\n"] if row else []), f"{calls}\n"])


def _imports(code: str) -> str:
    groups = [[line for name, line in group if re.search(rf"\b{name}(?!\w)", code)] for group in _IMPORTS]
    return "\n\n".join("\n".join(lines) for lines in groups if lines)


def _type(layout: Layout, names: list[str]) -> str:
    columns, time = layout.columns, layout.time
    renamed = {name: column.name for name, column in zip(names, columns, strict=True) if name != column.name}
    options = ["msgspec.Struct"]
    if layout.form == "array":
        options.append("array_like=True")
    may_lack = layout.source == "jsonl" and any(column.may_be_none for column in columns)
    if may_lack:
        options.append("kw_only=True")
    if renamed and layout.form == "named":
        pairs = [f"{quoted(name)}: {quoted(column)}" for name, column in renamed.items()]
        options.append(f"rename={_wrapped('{', pairs, '}')}")
    lines = [f"{_wrapped('class Row(', options, ')')}:"]
    for name, column in zip(names, columns, strict=True):
        is_time = time is not None and column is time.column
        is_date = time is not None and column is time.with_date
        kind = time.kind if time is not None and is_time else "str" if is_date else column.kind
        kind = "np.datetime64" if kind == "instant" else kind
        lines.append(f"    {name}: {kind}{_none(column, kind, may_lack=may_lack)}")
    return "\n".join(lines)


def _none(column: Column, kind: str, *, may_lack: bool) -> str:
    if not column.may_be_none:
        return ""
    return f"{'' if kind in ('Any', 'None') else ' | None'}{' = None' if may_lack else ''}"


def _calls(layout: Layout, names: list[str]) -> list[str]:
    arguments = [layout.data or quoted(layout.path)]
    if layout.of is not None:
        arguments.append(layout.of)
    if layout.tz is not None:
        arguments.append(f"tz={quoted(layout.tz)}")
    arguments += [f"{name}={code}" for name, code in layout.options.items()]
    lines: list[str] = []
    if layout.dialect:
        options = [f"{name}={code}" for name, code in layout.dialect.items()]
        lines.append(_wrapped("dialect = sources.Dialect(", options, ")"))
        arguments.append("dialect=dialect")
    source = _wrapped(f"sources.{layout.source}(", arguments, ")")
    lines.append(_wrapped("rows = rxdag.from_source(", [source], ")"))
    if layout.time is not None:
        options = [f"{name}={quoted(value)}" for name, value in layout.time.options.items()]
        timed = _wrapped("ops.event_time(", [_ts(layout, layout.time, names), *options], ")")
        lines.append(_wrapped("timed = rows.pipe(", [timed], ")"))
    return lines


def _ts(layout: Layout, time: Time, names: list[str]) -> str:
    if layout.ts is not None:
        return layout.ts
    name = names[layout.columns.index(time.column)] if layout.of is not None else time.column.name
    if time.with_date is None:
        return quoted(name)
    return f'lambda row: f"{{row.{names[layout.columns.index(time.with_date)]}}} {{row.{name}}}"'


def _wrapped(begin: str, parts: Sequence[str], end: str) -> str:
    """Return code on one line, or with each part on a line of its own."""
    line = f"{begin}{', '.join(parts)}{end}"
    if len(line) <= _WIDTH and "\n" not in line:
        return line
    return "\n".join([begin, *(indent(f"{part},", "    ") for part in parts), end])
