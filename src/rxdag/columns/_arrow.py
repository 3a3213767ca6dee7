"""Arrow: columns from record batches, and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from rxdag.columns._column import Array, Coded, Column, Nullable, as_column, column_of, is_ndarray, values_of
from rxdag.columns._columns import Columns
from rxdag.columns._rows import SCALAR


def columns_of_batch(pa: Any, batch: Any, of: Any = None) -> Columns:
    """Return the columns of a record batch or a table.

    Args:
        pa: The module pyarrow.
        batch: The record batch or table.
        of: Type of the items; None for dicts.

    Raises:
        ValueError: If two columns have the same name.
    """
    names = batch.schema.names
    if len(set(names)) < len(names):
        raise ValueError(f"columns must have names that differ, got {', '.join(names)}; rename one")
    columns = {name: column_of_arrow(pa, batch.column(i)) for i, name in enumerate(names)}
    made = Columns.from_columns(columns, of)
    made.n = batch.num_rows
    return made


def column_of_arrow(pa: Any, array: Any) -> Column:
    """Convert an Arrow column."""
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
        if isinstance(array, pa.ChunkedArray):  # it had no chunks
            return column_of([])
    types, kind = pa.types, array.type
    if has_naive_times(types, kind):
        raise TypeError(f"a column of times must have a zone, got {kind}; set one, such as UTC")
    if types.is_dictionary(kind) and not _is_text(types, kind.value_type):
        array = array.dictionary_decode()
        kind = array.type
    if _is_text(types, kind) or types.is_dictionary(kind):
        coded = array if types.is_dictionary(kind) else array.dictionary_encode()
        names = coded.dictionary.to_pylist()
        # Arrow allows a dictionary that repeats an entry or holds a null; codes must then be given anew.
        if types.is_dictionary(kind) and (None in names or len(set(names)) < len(names)):
            return column_of_arrow(pa, array.dictionary_decode())
        codes = coded.indices.cast(pa.int64()).fill_null(-1).to_numpy(zero_copy_only=False)
        return Coded(codes, names)
    is_number = types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind)
    if is_number and kind != pa.uint64():
        wide = pa.float64() if types.is_floating(kind) else pa.bool_() if types.is_boolean(kind) else pa.int64()
        valid = None if array.null_count == 0 else array.is_valid().to_numpy(zero_copy_only=False)
        filled = array if valid is None else array.fill_null(False if types.is_boolean(kind) else 0)
        values: Array = filled.cast(wide).to_numpy(zero_copy_only=False)
        return values if valid is None else Nullable(values, valid)
    if types.is_timestamp(kind):
        times: Array = array.to_numpy(zero_copy_only=False)
        return times if array.null_count == 0 else Nullable(times, array.is_valid().to_numpy(zero_copy_only=False))
    try:
        return column_of(array.to_pylist())
    except ValueError as error:  # pyarrow needs pandas for times below the microsecond
        raise ValueError(f"times inside of {kind} must be whole microseconds; cast the column") from error


def has_naive_times(types: Any, kind: Any) -> bool:
    """Return whether an Arrow type holds times without a zone, in lists and structs too."""
    if types.is_timestamp(kind):
        return kind.tz is None
    if types.is_dictionary(kind):
        return has_naive_times(types, kind.value_type)
    return any(has_naive_times(types, kind.field(i).type) for i in range(kind.num_fields))


def _is_text(types: Any, kind: Any) -> bool:
    return bool(types.is_string(kind) or types.is_large_string(kind) or str(kind) == "string_view")


def batch_of_columns(pa: Any, columns: Columns) -> Any:
    """Return columns as a record batch; items that are not records are in a column "value"."""
    names = ["value"] if columns.names == SCALAR else list(columns.names)
    arrays = [arrow_of_column(pa, columns[name]) for name in columns.names]
    return pa.RecordBatch.from_arrays(arrays, names=names)


def arrow_of_column(pa: Any, column: Column) -> Any:
    """Convert a column to Arrow."""
    if isinstance(column, Coded):
        mask = column.codes < 0
        codes = pa.array(column.codes, mask=mask) if mask.any() else pa.array(column.codes)
        return pa.DictionaryArray.from_arrays(codes, arrow_of_values(pa, list(column.names))).dictionary_decode()
    if isinstance(column, Nullable):
        return in_utc(pa, pa.array(column.values, mask=~column.valid))
    if column.dtype.kind == "M":
        return in_utc(pa, pa.array(column))
    return arrow_of_values(pa, column.tolist()) if column.dtype.kind == "O" else pa.array(column)


def arrow_of_values(pa: Any, values: list[Any]) -> Any:
    """Return Python objects as Arrow values; numpy times get the zone UTC, and days stay days."""
    kinds = set(map(type, values))
    if np.datetime64 not in kinds:
        return _typed(pa, values, kinds - {type(None)})
    return in_utc(pa, pa.array(_times_of(values) if kinds <= {np.datetime64, type(None)} else values))


def _typed(pa: Any, values: list[Any], kinds: set[type]) -> Any:
    """Return values as an array of Arrow of the type that pyarrow would infer; inferring it takes longer than the rest."""
    types = {int: pa.int64(), float: pa.float64(), str: pa.string(), bool: pa.bool_()}
    inferred = types.get(kinds.pop()) if len(kinds) == 1 else pa.null() if not kinds else None
    return pa.array(values, inferred)


def _times_of(values: list[Any]) -> Array:
    """Return numpy times, or None, as an array of the finest unit among them."""
    times = np.array(values, "M8")
    for value, time in zip(values, times, strict=True):
        # A cast to a finer unit wraps around silently.
        if value is not None and time.astype(value.dtype) != value and not np.isnat(value):
            raise ValueError(f"times in a column of nanoseconds must be within 1677 to 2262, got {value}")
    return times


def in_utc(pa: Any, array: Any) -> Any:
    """Return numpy times as Arrow times with the zone UTC; days stay days."""
    is_naive = pa.types.is_timestamp(array.type) and array.type.tz is None
    return array.cast(pa.timestamp(array.type.unit, "UTC")) if is_naive else array


def frame_of_columns(columns: Columns) -> Any:
    """Return the columns as plain arrays by name, or one array if items are not records; text and nulls as objects."""
    frame = {name: _plain(columns[name]) for name in columns.names}
    return frame[""] if columns.names == SCALAR else frame


def _plain(column: Column) -> Any:
    if is_ndarray(column):
        return column
    values = values_of(column)
    objects = np.empty(len(values), object)
    objects[:] = values
    return objects


def columns_of_frame(frame: Any, of: Any = None) -> Columns:
    """Return columns from arrays by name, or from one array."""
    given: dict[Any, Any] = dict(frame) if hasattr(frame, "items") else {"": frame}
    columns = {str(name): as_column(values) for name, values in given.items()}
    if len(columns) < len(given):
        raise ValueError(f"columns must have names that differ as text, got {list(given)}; rename one")
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"columns must be of equal length, got {lengths}")
    return Columns.from_columns(columns, of)
