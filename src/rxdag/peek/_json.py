"""Layouts of JSON lines."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from os.path import basename
from typing import Any, Final, cast

from rxdag.errors import SourceError, shown
from rxdag.peek._column import Column, fits_float
from rxdag.peek._head import Head
from rxdag.peek._program import Layout, quoted
from rxdag.peek._times import time_of

_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")
"""A number, but no text of digits such as "007"."""
_KINDS: Final = {bool: "bool", int: "int", Decimal: "float", str: "str", list: "list[Any]", dict: "dict[str, Any]"}


def json_layout(path: str, head: Head, lines: Sequence[str]) -> Layout | None:
    """Return the layout of JSON lines; None if the first line does not begin as one.

    Raises:
        SourceError: If the first line is not JSON.
    """
    texts = [line for line in lines if line.strip()]
    if not texts or texts[0].lstrip()[0] not in "{[":
        return None
    records, bad = _decoded(path, texts)
    checks = [] if head.is_whole else [f"The types fit the first {len(records):,} records; the others were not read."]
    checks += bad
    layout = Layout(path, f"JSON lines{head.packed}", "jsonl", (), checks=checks)
    inside = list(_arrays(records[0], "")) if len(records) == 1 else []
    if inside[1:]:
        checks.append(
            f"There are arrays of records at {', '.join(path for path, _ in inside)}; pass one of them as records=."
        )
    if len(inside) != 1:
        return _with_columns(layout, records)
    [(records_at, found)] = inside
    if records_at:
        checks.append(
            f"The records are taken from {records_at}; leave out records= if the object itself is the record."
        )
    saw = f"one JSON {'object with' if records_at else 'array of'} records{f' at {records_at}' if records_at else ''}"
    return _with_columns(replace(layout, saw=saw + head.packed, options={"records": quoted(records_at)}), found)


def _decoded(path: str, texts: Sequence[str]) -> tuple[list[Any], list[str]]:
    records: list[Any] = []
    bad: list[str] = []
    for text in texts:
        try:
            records.append(json.loads(text, parse_float=Decimal))
        except ValueError as error:
            if not records:
                raise SourceError(
                    f"{path}: each line must be a JSON record, got {shown(text, most=60)} ({error}); write one record a line, "
                    "as jq -c does"
                ) from None
            bad.append(text)
    if bad:
        bad = [f"{len(bad):,} lines are not JSON, which ends the run, such as {shown(bad[0], most=60)}."]
    return records, bad


def _are_records(given: Any) -> bool:
    """Return True for a list of objects, or of arrays."""
    return isinstance(given, list) and {*map(type, cast("Any", given))} in ({dict}, {list})


def _with_columns(layout: Layout, records: list[Any]) -> Layout:
    """Return a layout with the columns of records: objects by name, arrays by place; others have none."""
    if not _are_records(records) or not all(records):
        check = "The records are neither all objects nor all arrays, so that they have no type."
        return replace(layout, of="Any", checks=[*layout.checks, check])
    is_array = isinstance(records[0], list)
    if is_array:
        longest = max(map(len, records))
        named = [{f"column_{at}": value for at, value in enumerate(record, 1)} for record in records]
        names = [f"column_{at}" for at in range(1, longest + 1)]
    else:
        named = list(cast("Sequence[dict[str, Any]]", records))
        names = list(dict.fromkeys(name for record in named for name in record))
    columns = [_column(name, [record.get(name) for record in named]) for name in names]
    time = time_of(columns, basename(layout.path), has_names=not is_array)
    texts = [
        column for column in columns if _has_numbers(column) and not (time and column in (time.column, time.with_date))
    ]
    if not texts:
        return replace(layout, columns=columns, form="array" if is_array else "named", time=time)
    check = f"Numbers written as texts are read as numbers: {', '.join(column.name for column in texts)}."
    return replace(
        layout,
        columns=[_as_numbers(column) if column in texts else column for column in columns],
        form="array" if is_array else "named",
        time=time,
        options={**layout.options, "strict": "False"},
        checks=[*layout.checks, check],
    )


def _column(name: str, values: Sequence[Any]) -> Column:
    given = [value for value in values if value is not None]
    kinds = {_KINDS[type(value)] for value in given}
    texts = [_text(value) for value in given] if kinds <= {"int", "float", "str"} and len(kinds - {"int"}) < 2 else []
    kind = "float" if kinds == {"int", "float"} else kinds.pop() if len(kinds) == 1 else "Any"
    if kind == "float" and not all(map(fits_float, texts)):
        kind = "Decimal"
    return Column(name, texts if kind != "Any" else [], kind, len(given) < len(values))


def _text(value: Any) -> str:
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def _has_numbers(column: Column) -> bool:
    """Return True for texts that are all numbers, and would be written the same as numbers."""
    return column.kind == "str" and bool(column.texts) and all(map(_NUMBER.fullmatch, column.texts))


def _as_numbers(column: Column) -> Column:
    is_whole = not any("." in text for text in column.texts)
    kind = "int" if is_whole else "float" if all(map(fits_float, column.texts)) else "Decimal"
    return replace(column, kind=kind)


def _arrays(found: Any, path: str) -> Iterator[tuple[str, list[Any]]]:
    """Yield the arrays of records in a value, each with the names of the fields that lead there."""
    if _are_records(found) and all(found):
        yield path, found
    elif isinstance(found, dict):
        for name, value in cast("dict[str, Any]", found).items():
            if "." not in name:  # such a name cannot be part of a path
                yield from _arrays(value, f"{path}.{name}" if path else name)
