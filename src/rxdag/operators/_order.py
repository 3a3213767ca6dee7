"""The order of values and of keys."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Number
from typing import Any, Final

from rxdag.contract import BadItem
from rxdag.errors import shown

_COMPARED: Final = (("number", Number), ("text", str))
"""Types whose values of any class can be compared."""


def in_order(keys: Iterable[Any]) -> list[Any]:
    """Return keys in their order; by type, and then by value or text, if they have none.

    The order of some of the keys is that of all: a run that stopped between two keys continues with the next one.
    """
    given = list(keys)
    try:
        return sorted(given)
    except Exception:  # a Decimal NaN, and types of the user, raise other errors than TypeError
        pass
    try:
        return sorted(given, key=_place)
    except Exception:  # values of one type that cannot be compared, as times with a zone and without
        return given


def _place(key: Any) -> tuple[str, Any]:
    """Return what sorts keys of different types, where they can be compared as they compare."""
    for name, compared in _COMPARED:
        if isinstance(key, compared):
            return name, key
    parts: Any = key
    if isinstance(key, tuple):
        return "tuple", [_place(each) for each in parts]
    kind: Any = parts.__class__
    has_order = kind.__lt__ is not vars(object)["__lt__"]
    return kind.__qualname__, key if has_order else shown(key)


def ranked(value: Any, where: str) -> Any:
    """Return a value that has an order.

    NaN is neither less nor greater than any value, so a result would depend on its position; None has no order either.

    Raises:
        BadItem: If the value has no order.
    """
    try:
        is_nan = value != value
    except ArithmeticError:  # a signaling Decimal NaN
        is_nan = True
    if value is None or is_nan:
        raise BadItem(f"{where} must have an order, got {shown(value)}")
    return value
