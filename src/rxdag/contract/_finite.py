"""Numbers that are finite."""

from __future__ import annotations

from typing import Any, Final

from rxdag.contract._kernel import BadItem
from rxdag.errors import shown

_INF: Final = float("inf")


def finite(value: Any, what: str) -> Any:
    """Return the value if it is a finite number, else raise BadItem."""
    if type(value) is float and -_INF < value < _INF:
        return value
    try:
        if -_INF < value < _INF:
            return value
    except (TypeError, ValueError, ArithmeticError):  # no number, an array, a NaN among decimals
        pass
    raise BadItem(f"{what} must be a finite number, got {shown(value)}")


def plus(total: Any, value: Any, what: str) -> Any:
    """Return the sum of two numbers, or raise BadItem if Python does not add up the two."""
    try:
        return total + value
    except TypeError:
        raise BadItem(
            f"{what} must add up with the values before it, got {shown(value)} to add to {shown(total)}; cast all to one type"
        ) from None
