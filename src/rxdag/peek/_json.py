"""Layouts of JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from os.path import basename
from typing import Any, Final, cast

from rxdag.errors import SourceError, shown
from rxdag.peek._column import Column, fits_float
from rxdag.peek._head import Head
from rxdag.peek._program import Layout, field_names
from rxdag.peek._times import time_of

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
    if len(records) == 1 and _are_records(records[0]):
        inner = _with_columns(replace(layout, saw=f"one JSON array of records{head.packed}"), records[0])
        return replace(inner, of=f"list[{inner.of}]", explode="lambda records: records")
    return _with_columns(layout, records)


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
    return replace(
        layout,
        columns=columns,
        form="array" if is_array else "named",
        time=time_of(columns, basename(layout.path), has_names=not is_array),
        checks=[*layout.checks, *_checks(columns), *_envelope(records)],
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


def _checks(columns: Sequence[Column]) -> Iterator[str]:
    names = field_names(columns)
    texts = [
        name
        for name, column in zip(names, columns, strict=True)
        if column.kind == "str" and column.texts and all(map(_is_number, column.texts))
    ]
    if texts:
        yield f"Numbers written as texts stay texts: {', '.join(texts)}; for numbers, declare them as float, and pass strict=False to the source."


def _is_number(text: str) -> bool:
    return text.removeprefix("-").replace(".", "", 1).isdecimal()


def _envelope(records: list[Any]) -> Iterator[str]:
    """Yield where the records are, if the only object has an array of them inside."""
    if len(records) > 1 or not isinstance(records[0], dict):
        return
    for path, value in _inside(cast("dict[str, Any]", records[0]), ""):
        if _are_records(value):
            yield f"The file is one object, with an array of records inside of it, at {path}: pass records= that path to the source, and declare their type."


def _inside(found: dict[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    for name, value in found.items():
        here = f"{path}.{name}" if path else name
        yield here, value
        if isinstance(value, dict):
            yield from _inside(cast("dict[str, Any]", value), here)
