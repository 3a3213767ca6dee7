"""Checks of numbers, flags and types as arguments, with one message for each."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from numbers import Integral
from typing import Any, Final

from rxdag.errors import GraphError, shown, text_of

_OF_TYPES: Final = ("typing", "types", "typing_extensions")


def whole(n: Any, where: str, *, least: int = 0, most: int | None = None) -> int:
    """Return a whole number.

    Raises:
        GraphError: If it is not a whole number, or out of range.
    """
    number = _number(n)
    if number is None or number < least or (most is not None and number > most):
        bounds = f"{least} or more" if most is None else f"{least} to {most}"
        raise GraphError(f"{where} must be {'a whole number, ' if number is None else ''}{bounds}, got {shown(n)}")
    return number


def whole_or_none(n: Any, where: str, *, least: int = 1) -> int | None:
    """Return a whole number, or None.

    Raises:
        GraphError: If it is neither.
    """
    if n is None:
        return None
    number = _number(n)
    if number is None or number < least:
        kind = "a whole number, " if number is None else ""
        raise GraphError(f"{where} must be {kind}{least} or more, or None, got {shown(n)}")
    return number


def _number(n: Any) -> int | None:
    """Return a whole number of any type, such as those of numpy."""
    return int(n) if isinstance(n, Integral) and not isinstance(n, bool) else None


def share(value: Any, where: str) -> float:
    """Return a number from 0 to 1.

    Raises:
        GraphError: If it is not a number from 0 to 1.
    """
    return _real(value, where, "0 to 1", lambda number: 0 <= number <= 1)


def positive(value: Any, where: str) -> float:
    """Return a finite number above 0.

    Raises:
        GraphError: If it is not a finite number above 0.
    """
    return _real(value, where, "more than 0", lambda number: 0 < number < math.inf)


def factor_of(value: Any, where: str) -> float:
    """Return a finite number of 1 or more.

    Raises:
        GraphError: If it is not a finite number of 1 or more.
    """
    return _real(value, where, "1 or more", lambda number: 1 <= number < math.inf)


def _real(value: Any, where: str, must: str, is_right: Callable[[float], bool]) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not is_right(value):
        raise GraphError(f"{where} must be {must}, got {shown(value)}")
    return value


def flag(value: Any, where: str) -> bool:
    """Return True or False; refuse values that are merely truthy or falsy.

    Raises:
        GraphError: If it is neither.
    """
    if value is not True and value is not False:
        raise GraphError(f"{where} must be True or False, got {shown(value)}")
    return bool(value)


def item_type(of: Any, where: str) -> Any:
    """Return a type of items, or None.

    Raises:
        GraphError: If it is neither.
    """
    if of is None or isinstance(of, type) or type(of).__module__ in _OF_TYPES:
        return of
    raise GraphError(f"{where} must be a type, got {shown(of)}")


def check_copyable(value: Any, where: str) -> None:
    """Raise GraphError if a first value cannot be copied: each run, key and pane begins with a copy of its own."""
    try:
        copy.deepcopy(value)
    except Exception as error:
        raise GraphError(
            f"{where} must be a value that copy.deepcopy can copy, got {shown(value)}: {text_of(error)}; pass None, "
            "and let the function build the first value"
        ) from error
