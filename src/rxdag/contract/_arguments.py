"""Numbers, flags and types as arguments: what they must be, with one message for each."""

from __future__ import annotations

import copy
import math
from numbers import Integral
from typing import Any, Final

from rxdag.errors import GraphError, shown, text_of

_OF_TYPES: Final = ("typing", "types", "typing_extensions")


def whole(n: Any, where: str, *, least: int = 0, most: int | None = None) -> int:
    """A whole number.

    Raises:
        GraphError: If it is none, or out of range.
    """
    number = _number(n)
    if number is None or number < least or (most is not None and number > most):
        bounds = f"{least} or more" if most is None else f"{least} to {most}"
        raise GraphError(f"{where} must be {bounds}, got {shown(n)}")
    return number


def whole_or_none(n: Any, where: str, *, least: int = 1) -> int | None:
    """As `whole`, or None.

    Raises:
        GraphError: If it is neither.
    """
    if n is None:
        return None
    number = _number(n)
    if number is None or number < least:
        raise GraphError(f"{where} must be {least} or more, or None, got {shown(n)}")
    return number


def _number(n: Any) -> int | None:
    """Return a whole number of whatever type, as those of numpy."""
    return int(n) if isinstance(n, Integral) and not isinstance(n, bool) else None


def share(value: Any, where: str) -> float:
    """A number from 0 to 1.

    Raises:
        GraphError: If it is none.
    """
    if not _is_number(value) or not 0 <= value <= 1:
        raise GraphError(f"{where} must be 0 to 1, got {shown(value)}")
    number: float = value
    return number


def positive(value: Any, where: str) -> float:
    """A finite number above 0.

    Raises:
        GraphError: If it is none.
    """
    if not _is_number(value) or not 0 < value < math.inf:
        raise GraphError(f"{where} must be more than 0, got {shown(value)}")
    number: float = value
    return number


def factor_of(value: Any, where: str) -> float:
    """A finite number of 1 or more.

    Raises:
        GraphError: If it is none.
    """
    if not _is_number(value) or not 1 <= value < math.inf:
        raise GraphError(f"{where} must be 1 or more, got {shown(value)}")
    number: float = value
    return number


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def flag(value: Any, where: str) -> bool:
    """True or False, and nothing that is only taken for one of them.

    Raises:
        GraphError: If it is neither.
    """
    if value is not True and value is not False:
        raise GraphError(f"{where} must be True or False, got {shown(value)}")
    return bool(value)


def item_type(of: Any, where: str) -> Any:
    """A type of items, or None.

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
            f"{where} must be a value that copy.deepcopy copies, got {shown(value)}: {text_of(error)}; give None, and let "
            f"the function make the value of the first item"
        ) from error
