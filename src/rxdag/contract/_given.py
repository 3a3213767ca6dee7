"""Checks of iterables given as a source whose items are hardly ever the intended ones."""

from __future__ import annotations

from collections.abc import Mapping

from rxdag.errors import GraphError, shown


def gives_arrow(thing: object) -> bool:
    """Return whether an object exports its rows or values by Arrow's C interface."""
    return hasattr(type(thing), "__arrow_c_stream__") or hasattr(type(thing), "__arrow_c_array__")


def is_frame(thing: object) -> bool:
    """Return whether an object is a frame or table of pandas, polars, pyarrow or another package."""
    kind = type(thing)  # on the type, since reading a property may compute it
    if gives_arrow(thing):
        return hasattr(kind, "columns") or hasattr(kind, "schema")  # a single column has neither
    return hasattr(kind, "columns") and hasattr(kind, "dtypes")


def check_iterable(items: object, where: str) -> None:
    """Refuse iterables whose elements are characters, bytes, keys or column names.

    Raises:
        GraphError: If it is such an iterable; the message says what to pass instead.
    """
    given = items  # `isinstance` narrows it less
    if isinstance(items, str):
        raise GraphError(
            f"{where} must not be a str, whose items are its characters, got {shown(items)}; sources.csv(path, Type), "
            f"parquet or jsonl read a file, list(text) gives the characters, [text] one item"
        )
    if isinstance(items, bytes | bytearray | memoryview):
        raise GraphError(
            f"{where} must not be bytes, whose items are numbers, got {shown(given)}; list(data) gives the numbers, "
            f"[data] one item"
        )
    if isinstance(items, Mapping):
        raise GraphError(
            f"{where} must not be a mapping, whose items are its keys, got {shown(given)}; "
            f"pass its .items(), .values() or .keys(), or [mapping] for one item"
        )
    if is_frame(items):
        table = "" if gives_arrow(items) else "; make it one with frame.collect() or pyarrow.Table.from_pandas(frame)"
        raise GraphError(
            f"{where} must not be a {type(items).__name__}, of which a loop gives no rows; "
            f"sources.arrow(table) reads a frame or table by rows{table}"
        )
