"""Numbers that are finite."""

from __future__ import annotations

from typing import Any, Final

from rxdag.contract._kernel import BadItem
from rxdag.errors import shown

_INF: Final = float("inf")


def finite(value: Any, what: str) -> Any:
    """Return the value, a number of numpy as Python's, if it is finite; else raise BadItem."""
    if type(value) is float:
        if -_INF < value < _INF:
            return value
    elif type(value) is int:
        return value
    else:
        try:
            if -_INF < value < _INF and not getattr(value, "ndim", 0):
                return own_number(value)
        except (TypeError, ValueError, ArithmeticError):  # not a number, an array, or a Decimal NaN
            pass
    raise BadItem(f"{what} must be a finite number, got {shown(value)}")


def own_number(value: Any) -> Any:
    """Return a number of numpy as Python's, whose integers do not overflow; anything else unchanged."""
    if type(value) is float or type(value) is int:
        return value
    if type(value).__module__ == "numpy" and getattr(value, "ndim", 1) == 0 and value.dtype.kind in "biuf":
        return value.item()
    return value


def plus(total: Any, value: Any, what: str) -> Any:
    """Return the sum of two numbers, or raise BadItem if Python does not add up the two."""
    try:
        return total + value
    except TypeError:
        raise BadItem(
            f"{what} must be of a type that adds to the values before it, got {shown(value)} to add to "
            f"{shown(total)}; cast all to one type"
        ) from None
