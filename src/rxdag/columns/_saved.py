"""Saved columns: a run of items as plain data, and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from rxdag.columns._blocks import Block
from rxdag.columns._column import Array, Coded, Column, Nullable, is_array
from rxdag.columns._columns import Columns
from rxdag.columns._keys import code_values


def saved_columns(columns: Columns) -> dict[str, Any]:
    """Return a run of items as plain data; `restored_columns` makes equal columns of it."""
    first = columns[:1].rows() if columns.n else []
    return {
        "fields": [(name, _saved(columns[name])) for name in columns.names],
        "n": columns.n,
        # A class is no data: the first item, with its class, stands for it.
        "like": None if columns.of is None else first,
        "ts": columns.ts,
        "sequence": None if columns.sequence is None else _saved(columns.sequence),
        "key": None if columns.key is None else _saved(columns.key),
        "index": columns.index,
        "before": columns.before,
    }


def restored_columns(saved: dict[str, Any]) -> Columns:
    """Return the run of items that `saved_columns` gave."""
    fields = {name: _restored(column) for name, column in saved["fields"]}
    first: list[Any] | None = saved["like"]
    of: Any = first[0].__class__ if first else None
    made = Columns((Block(fields),), saved["n"], tuple(fields), of)
    made.ts, made.index, made.before = saved["ts"], saved["index"], saved["before"]
    made.sequence = None if saved["sequence"] is None else _restored(saved["sequence"])
    made.key = None if saved["key"] is None else _restored(saved["key"])
    return made


def _saved(column: Column) -> tuple[str, Any, Any]:
    if isinstance(column, Coded) and column.own is not None:
        return "values", column.own.tolist(), None
    if isinstance(column, Coded):
        codes, places = _used(column)
        return "coded", codes, places
    if isinstance(column, Nullable):
        return "nullable", column.values, column.valid
    return ("objects", column.tolist(), None) if is_array(column, "O") else ("array", column, None)


def _used(column: Coded) -> tuple[Array, list[Any]]:
    """Return the codes of a column and the names that occur in it: all names may be those of the whole stream."""
    used, codes = np.unique(column.codes, return_inverse=True)
    has_null = len(used) > 0 and int(used[0]) < 0
    names = [column.names[code] for code in used.tolist() if code >= 0]
    return codes.astype(np.int64) - has_null, names


def _restored(saved: tuple[str, Any, Any]) -> Any:
    kind, values, beside = saved
    if kind == "coded":
        return Coded(values, beside)
    if kind == "values":
        return code_values(values)
    if kind == "nullable":
        return Nullable(values, beside)
    if kind == "objects":
        objects = np.empty(len(values), object)
        objects[:] = values
        return objects
    return values
