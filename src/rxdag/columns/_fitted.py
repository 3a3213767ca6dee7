"""Fields: columns whose values are of the types that the items declare."""

from __future__ import annotations

import typing
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final

import msgspec
import numpy as np

from rxdag.columns._column import Array, Coded, Column, Nullable, bounds_of, column_of, values_of
from rxdag.columns._columns import Columns
from rxdag.columns._value import EXACT
from rxdag.errors import shown
from rxdag.expressions import declared_types, field_names, is_foreign, is_limited, kinds_in, pairs

_KINDS: Final[dict[str, type[Any]]] = {"i": int, "f": float, "b": bool, "M": np.datetime64}
_EXACT: Final = (datetime, date, time, timedelta, Decimal, bytes)
"""Types to which texts and numbers are not converted."""


def fitted(column: Column, hint: Any, *, first: int = 0) -> Column:
    """Return a column as values of the type of its field.

    Ints become floats if that is exact, numpy times become datetimes in UTC, truncated to microseconds, dicts become
    records of the field's type, and texts members of its enumeration.

    Args:
        column: The column.
        hint: Type of the field, with the limits of `msgspec.Meta`.
        first: Number of rows before the column, for the message.

    Raises:
        ValueError: If a value is of another type, or beyond a limit.
    """
    kinds = kinds_in(hint)
    if Any in kinds or object in kinds or not len(column):
        return column
    same = _as_it_is(column, kinds)
    if same is None:
        return _converted(_with_datetimes(column, kinds), hint, first)
    if is_limited(hint):
        _converted(same, hint, first)
    return same


def typed(columns: Columns, of: Any) -> Columns:
    """Return the items with fields of the declared types.

    Args:
        columns: The items.
        of: Type of the items; if it is not a record type, they are unchanged.

    Raises:
        ValueError: If a value is of another type, or the type lacks a field.
    """
    names = field_names(of)
    if names is None:
        return columns
    unknown = [name for name in columns.names if name not in names]
    if unknown:
        raise ValueError(f"{of.__name__} must have a field for each column, lacks {', '.join(unknown)}")
    hints = declared_types(of)
    made: dict[str, Column] = {}
    for name in columns.names:
        try:
            made[name] = fitted(columns[name], hints.get(name, Any))
        except ValueError as error:
            raise ValueError(f'column "{name}" {error}') from None
    return Columns.from_columns(made, of)


def _as_it_is(column: Column, kinds: tuple[Any, ...]) -> Column | None:
    """Return a column whose values are of one of the types; None if each value must be checked."""
    if isinstance(column, Coded):
        return column if str in kinds and (type(None) in kinds or int(column.codes.min()) >= 0) else None
    is_whole = not isinstance(column, Nullable) or type(None) in kinds
    values = column.values if isinstance(column, Nullable) else column
    kind = values.dtype.kind
    if kind == "i" and int not in kinds and float in kinds:
        if bounds_of(values)[0] < -EXACT or bounds_of(values)[1] > EXACT:
            return None
        values, kind = values.astype(np.float64), "f"
    if not is_whole or kind not in _KINDS or _KINDS[kind] not in kinds:
        return None
    return Nullable(values, column.valid) if isinstance(column, Nullable) else values


def _with_datetimes(column: Column, kinds: tuple[Any, ...]) -> Column:
    """Return a column of numpy's times as datetimes if the field has those; any other column unchanged."""
    values = column.values if isinstance(column, Nullable) else column
    if isinstance(values, Coded) or values.dtype.kind != "M" or not {datetime, date} & {*kinds}:
        return column
    moments: list[Any] = _datetimes(values) if datetime in kinds else values.tolist()
    if isinstance(column, Nullable):
        moments = [moment if ok else None for moment, ok in zip(moments, column.valid.tolist(), strict=True)]
    return column_of(moments)


def _datetimes(times: Array) -> list[Any]:
    """Return numpy's times, which are UTC, as datetimes; None for NaT, unchanged if no datetime can hold it."""
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
    except TypeError:  # a type that msgspec does not support, such as `str | date`
        made = values
        wrong = next((i for i, value in enumerate(values) if not _is_one_of(value, hint)), None)
    except msgspec.ValidationError:
        made = values
        wrong = next((i for i, value in enumerate(values) if not _converts(value, hint)), None)
    else:
        wrong = _altered(made, values)
    if wrong is None:
        wrong = _naive(made, values)
        if wrong is None:
            return column_of(made)
        what, cure = f"{_name(hint)} with a zone", "set its zone, such as with replace(tzinfo=UTC)"
    else:
        what, cure = _name(hint), "cast it, or declare the field with another type"
        if values[wrong] is None:
            cure = f"declare the field as {_name(hint)} | None"
    raise ValueError(f"must be {what}, got {shown(values[wrong], most=80)} in row {first + wrong + 1:,}; {cure}")


def _converts(value: Any, hint: Any) -> bool:
    try:
        msgspec.convert(value, hint, builtin_types=_EXACT)
    except msgspec.ValidationError:
        return False
    return True


def _altered(made: list[Any], values: list[Any]) -> int | None:
    """Return the first value that lacks all fields of its type or became a different number, else None."""
    kinds = set(map(type, values))
    if not _hold_others(kinds) and kinds.isdisjoint((int, Decimal)):
        return None
    both = enumerate(zip(made, values, strict=True))
    return next((i for i, pair in both if is_foreign(*pair) or any(_is_another(*each) for each in pairs(*pair))), None)


def _is_another(made: Any, given: Any) -> bool:
    """Return whether a number became a float that is another number, or was a Decimal."""
    return (
        made.__class__ is float and not isinstance(given, float) and (isinstance(given, Decimal) or bool(made != given))
    )


def _naive(made: list[Any], values: list[Any]) -> int | None:
    """Return the first value that is, or contains, a datetime without a zone, else None."""
    if not _hold_others(set(map(type, values))):
        return next((i for i, value in enumerate(made) if isinstance(value, datetime) and value.tzinfo is None), None)
    for i, pair in enumerate(zip(made, values, strict=True)):
        if any(isinstance(each, datetime) and each.tzinfo is None for each, _ in pairs(*pair)):
            return i
    return None


def _hold_others(kinds: set[type]) -> bool:
    return any(issubclass(kind, dict | list | tuple | set | frozenset) for kind in kinds)


def _is_one_of(value: Any, hint: Any) -> bool:
    kinds = tuple(typing.get_origin(kind) or kind for kind in kinds_in(hint))
    return not all(isinstance(kind, type) for kind in kinds) or isinstance(value, kinds)


def _name(hint: Any) -> str:
    if is_limited(hint):
        return str(hint).removeprefix("typing.")
    return hint.__name__ if isinstance(hint, type) else str(hint)
