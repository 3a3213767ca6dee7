"""The first value and the function of an operator that can do without the first value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rxdag.contract import LEFT_OUT, check_copyable
from rxdag.errors import GraphError, shown
from rxdag.operators._arguments import function
from rxdag.operators.keyed._expiring import ABSENT


def first_value(initial: Any, fn: Any, name: str) -> tuple[Any, Callable[[Any, Any], Any]]:
    """Return the first value, ABSENT if there is none, and the function.

    Args:
        initial: The first value, or the function if `fn` is omitted.
        fn: The function of the value and the item.
        name: Of the operator, for the message.

    Raises:
        GraphError: If the function cannot be called, or the first value cannot be copied.
    """
    if fn is LEFT_OUT:
        initial, fn = LEFT_OUT, initial
    if initial is LEFT_OUT:
        return ABSENT, function(fn, f"{name}: fn", "its previous result", "the item")
    if callable(initial) and not callable(fn):
        raise GraphError(
            f"{name}: fn must be a function, got {shown(fn)}; the first value goes before it: ops.{name}(initial, fn)"
        )
    check_copyable(initial, f"{name}: initial")
    return initial, function(fn, f"{name}: fn", "the state", "the item")
