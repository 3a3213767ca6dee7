"""The order of values and of keys."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rxdag.contract import BadItem
from rxdag.errors import shown


def in_order(keys: Iterable[Any]) -> list[Any]:
    """Return keys in their order; in order of arrival if they have none."""
    try:
        return sorted(keys)
    except TypeError:
        return list(keys)


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
