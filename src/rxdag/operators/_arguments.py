"""Checks of what operators are given, with one message for each kind."""

from __future__ import annotations

from typing import Any, Final

from rxdag.errors import GraphError, shown
from rxdag.expressions import Expr, check_field

TAKEN: Final = ("out", "dead", "late", "dropped", "unassigned", "unrouted")
"""Ports that nodes have of their own."""


def function(fn: Any, where: str) -> Any:
    """A function, and no expression.

    Raises:
        GraphError: If it is none.
    """
    if not callable(fn) or isinstance(fn, Expr):
        raise GraphError(f"{where} must be a function, got {shown(fn)}")
    return fn


def field_of(value: Any, where: str) -> Any:
    """A function of the item, a field's name, or an expression.

    Raises:
        GraphError: If it is none of these.
    """
    check_field(value, None, where)
    return value


def field_or_none(value: Any, where: str) -> Any:
    """As `field_of`, or None."""
    return None if value is None else field_of(value, where)


def whole(n: Any, where: str, *, least: int = 0) -> int:
    """A whole number.

    Raises:
        GraphError: If it is none, or less than that.
    """
    if isinstance(n, bool) or not isinstance(n, int) or n < least:
        raise GraphError(f"{where} must be {least} or more, got {shown(n)}")
    return n
