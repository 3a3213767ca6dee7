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
    except TypeError:
        pass
    raise BadItem(f"{what} must be a finite number, got {shown(value)}")
