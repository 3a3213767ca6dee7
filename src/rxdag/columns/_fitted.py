"""Fields: columns whose values are of the types that the items declare."""

from __future__ import annotations

import types
import typing
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final

import msgspec
import numpy as np

from rxdag.columns._column import Array, Coded, Column, Nullable, column_of, values_of
from rxdag.columns._columns import Columns
from rxdag.errors import shown
from rxdag.expressions import field_names, field_types, is_foreign

_KINDS: Final[dict[str, type[Any]]] = {"i": int, "f": float, "b": bool, "M": np.datetime64}
_EXACT: Final = (datetime, date, time, timedelta, Decimal, bytes)
"""Types that are not made of texts or numbers here."""


def fitted(column: Column, hint: Any, *, first: int = 0) -> Column:
    """Return a column as values of the type of its field.

    Ints become floats, numpy's times datetimes in UTC without what is below the microsecond, dicts the records that the
    field says, and texts its enumeration.

    Args:
        column: The values.
        hint: Type of the field.
        first: Number of rows before the column, for the message.

    Raises:
        ValueError: If a value is of another type.
    """
    kinds = _kinds_of(hint)
    if Any in kinds or object in kinds or not len(column):
        return column
    is_whole = not isinstance(column, Nullable) or type(None) in kinds
    if isinstance(column, Coded):
        is_text = str in kinds and (type(None) in kinds or int(column.codes.min()) >= 0)
        return column if is_text else _converted(column, hint, first)
    values = column.values if isinstance(column, Nullable) else column
    kind = values.dtype.kind
    if kind == "i" and int not in kinds and float in kinds:
        values = values.astype(np.float64)
        kind = "f"
    if is_whole and kind in _KINDS and _KINDS[kind] in kinds:
        return Nullable(values, column.valid) if isinstance(column, Nullable) else values
    if kind == "M" and kinds & {datetime, date}:
        moments: list[Any] = _datetimes(values) if datetime in kinds else values.tolist()
        if isinstance(column, Nullable):
            moments = [moment if ok else None for moment, ok in zip(moments, column.valid.tolist(), strict=True)]
        column = column_of(moments)
    return _converted(column, hint, first)


def typed(columns: Columns, of: Any) -> Columns:
    """Return items whose fields have the types that their type declares.

    Args:
        columns: The items.
        of: Their type; any but a record leaves them as they are.

    Raises:
        ValueError: If a value is of another type, or the type lacks a field.
    """
    names = field_names(of)
    if names is None:
        return columns
    unknown = [name for name in columns.names if name not in names]
    if unknown:
        raise ValueError(f"{of.__name__} must have a field for each column, lacks {', '.join(unknown)}")
    hints = field_types(of)
    made: dict[str, Column] = {}
    for name in columns.names:
        try:
            made[name] = fitted(columns[name], hints.get(name, Any))
        except ValueError as error:
            raise ValueError(f'column "{name}" {error}') from None
    return Columns.from_columns(made, of)


def _kinds_of(hint: Any) -> set[Any]:
    """Return the types that a value may have."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return {kind for part in typing.get_args(hint) for kind in _kinds_of(part)}
    if isinstance(hint, typing.TypeVar):
        return {Any}
    return _kinds_of(hint.__supertype__) if isinstance(hint, typing.NewType) else {hint}


def _datetimes(times: Array) -> list[Any]:
    """Return numpy's times, which are UTC, as datetimes; None for NaT, and as it is what no datetime can hold."""
    cut = times.astype("datetime64[us]")  # rounds down; a coarser unit may wrap around
    is_coarser = np.datetime_data(times.dtype)[0] not in ("us", "ns", "ps", "fs", "as")
    fits = cut.astype(times.dtype) == times if is_coarser else np.ones(len(times), np.bool_)
    moments: list[Any] = cut.tolist()
    return [
        moment.replace(tzinfo=UTC) if ok and isinstance(moment, datetime) else None if moment is None else times[i]
        for i, (moment, ok) in enumerate(zip(moments, fits.tolist(), strict=True))
    ]


def _converted(column: Column, hint: Any, first: int) -> Column:
    values = values_of(column)
    try:
        made = msgspec.convert(values, list[hint], builtin_types=_EXACT)
    except TypeError:  # a type that msgspec does not know, as `str | date`
        made = values
        wrong = next((i for i, value in enumerate(values) if not _is_one_of(value, hint)), None)
    except msgspec.ValidationError:
        made = values
        wrong = next((i for i, value in enumerate(values) if not _converts(value, hint)), None)
    else:
        wrong = next((i for i, pair in enumerate(zip(made, values, strict=True)) if is_foreign(*pair)), None)
    if wrong is None:
        return column_of(made)
    cure = (
        f"declare the field as {_name(hint)} | None"
        if values[wrong] is None
        else "cast it, or declare the field otherwise"
    )
    raise ValueError(f"must be {_name(hint)}, got {shown(values[wrong], most=80)} in row {first + wrong + 1:,}; {cure}")


def _converts(value: Any, hint: Any) -> bool:
    try:
        msgspec.convert(value, hint, builtin_types=_EXACT)
    except msgspec.ValidationError:
        return False
    return True


def _is_one_of(value: Any, hint: Any) -> bool:
    kinds = tuple(typing.get_origin(kind) or kind for kind in _kinds_of(hint))
    return not all(isinstance(kind, type) for kind in kinds) or isinstance(value, kinds)


def _name(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) else str(hint)
