"""Sequences: the whole numbers that break ties among equal times, or number the items of a feed."""

from __future__ import annotations

import operator
import types
import typing
from typing import Any

from rxdag.contract import BadItem
from rxdag.errors import GraphError, shown
from rxdag.expressions import FieldExpr, check_field, field_types


def check_sequence(field: object, item_type: Any, where: str) -> None:
    """Check a field that is to give whole numbers, as far as its type is known.

    Raises:
        GraphError: If it is not one of the item type, or of a type that has no whole numbers.
    """
    check_field(field, item_type, where)
    expr = FieldExpr(field) if isinstance(field, str) else field
    if not isinstance(expr, FieldExpr) or item_type is None:
        return
    hint = field_types(item_type).get(expr.name) if expr.name else item_type
    if hint is not None and not _may_be_whole(hint):
        name = f'the field "{expr.name}"' if expr.name else "items"
        raise GraphError(f"{where} must be a whole number, got {name} of type {_type_name(hint)}")


def _may_be_whole(hint: Any) -> bool:
    """Return False only if no value of the type is a whole number."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return any(_may_be_whole(part) for part in typing.get_args(hint))
    if hint is Any or not isinstance(hint, type):
        return True
    try:
        return hasattr(hint, "__index__") or issubclass(int, hint)
    except TypeError:  # a protocol
        return True


def _type_name(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) else str(hint)


def sequence_number(value: Any, where: str) -> int:
    """Return the value as an int.

    Raises:
        BadItem: If it is no whole number.
    """
    try:
        return operator.index(value)
    except TypeError:
        raise BadItem(f"{where} must be a whole number, got {shown(value)}") from None
