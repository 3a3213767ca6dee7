"""Checks that the declared type of a field fits: times, and whole numbers."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from rxdag.errors import GraphError
from rxdag.expressions import FieldExpr, check_field, field_types

_OF_FLOATS: Final = '; pass the unit that it has: unit="s", "ms", "us" or "auto"'


def check_sequence(field: object, item_type: Any, where: str) -> None:
    """Check that a field has whole numbers, as far as its type is known.

    Raises:
        GraphError: If the item type lacks the field, or the field's type has no whole numbers.
    """
    _check_declared(field, item_type, where, "a whole number", _may_be_whole)


def check_time(field: object, item_type: Any, where: str, unit: str) -> None:
    """Check that a field has event times, as far as its type is known; floats are none in ns.

    Raises:
        GraphError: If the item type lacks the field, or the field's type has no times.
    """
    may_be = _may_be_time if unit == "ns" else _may_be_time_or_float
    _check_declared(field, item_type, where, "a number, a text, a datetime or a numpy datetime64", may_be)


def check_text(field: object, item_type: Any, where: str) -> None:
    """Check that a field has texts or whole numbers, as far as its type is known.

    Raises:
        GraphError: If the item type lacks the field, or the field's type has neither.
    """
    _check_declared(field, item_type, where, "a text", lambda hint: issubclass(hint, str) or _may_be_whole(hint))


def _check_declared(field: object, item_type: Any, where: str, what: str, may_be: Callable[[Any], bool]) -> None:
    check_field(field, item_type, where)
    expr = FieldExpr(field) if isinstance(field, str) else field
    if not isinstance(expr, FieldExpr) or item_type is None:
        return
    hint = field_types(item_type).get(expr.name) if expr.name else item_type
    if hint is not None and not _may(hint, may_be):
        name = f'the field "{expr.name}"' if expr.name else "items"
        fix = _OF_FLOATS if hint is float and may_be is _may_be_time else ""
        raise GraphError(f"{where} must be {what}, got {name} of type {_type_name(hint)}{fix}")


def _may(hint: Any, may_be: Callable[[Any], bool]) -> bool:
    """Return False only if no value of the type is valid."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return any(_may(part, may_be) for part in typing.get_args(hint))
    if hint is Any or not isinstance(hint, type):
        return True
    try:
        return may_be(hint)
    except TypeError:  # a protocol
        return True


def _may_be_whole(hint: Any) -> bool:
    return hasattr(hint, "__index__") or issubclass(int, hint)


def _may_be_time(hint: Any) -> bool:
    if issubclass(hint, bool):
        return False
    is_time = issubclass(hint, datetime) or issubclass(datetime, hint) or hint.__name__ == "datetime64"
    return is_time or issubclass(hint, str | Decimal) or _may_be_whole(hint)


def _may_be_time_or_float(hint: Any) -> bool:
    return issubclass(hint, float) or _may_be_time(hint)


def _type_name(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) else str(hint)
