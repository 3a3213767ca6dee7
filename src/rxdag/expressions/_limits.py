"""Bounds: expressions of strangers must not ask for more memory than their text and their items have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Rational
from typing import Any, Final

from rxdag.errors import shown
from rxdag.expressions._expr import Binary, Call, Expr, FieldExpr, FillNull, Literal

_NUMBERS: Final = frozenset((int, float, bool))
_DEEPEST: Final = 190
"""Maximum depth: Python parses up to 200 nested parentheses, and each level has one."""
_LARGEST: Final = 10_000
_MOST_BITS: Final = 10_000


def product(left: Any, right: Any) -> Any:
    """Return the product of two values that are neither texts nor lists.

    Raises:
        TypeError: If one is a text or a list, since a short one times a large number fills the memory.
    """
    if left.__class__ not in _NUMBERS or right.__class__ not in _NUMBERS:
        for each in (left, right):
            if issubclass(each.__class__, Sequence | bytearray) or _may_hold_texts(each):
                raise TypeError(f"expression: * must be of numbers, got {shown(each, most=80)}")
    return left * right


def remainder(left: Any, right: Any) -> Any:
    """Return the remainder of two numbers.

    Raises:
        TypeError: If the left one is a text: as a format it could produce a text of any width.
    """
    if isinstance(left, str | bytes | bytearray) or _may_hold_texts(left):
        raise TypeError(f"expression: % must be of numbers, got {shown(left, most=80)}")
    return left % right


def power(left: Any, right: Any) -> Any:
    """Return a number raised to a power.

    Raises:
        TypeError: If one is an array of objects.
        OverflowError: If the result is an int or a Fraction of more than 10,000 bits.
    """
    for each in (left, right):
        if _may_hold_texts(each):
            raise TypeError(f"expression: ** must be of numbers, got {shown(each, most=80)}")
    if isinstance(left, Rational) and isinstance(right, Rational):
        exponent: Any = right
        bits = max(int(left.numerator).bit_length(), int(left.denominator).bit_length())
        if bits > 1 and bits * abs(exponent) > _MOST_BITS:
            raise OverflowError(
                f"expression: ** must give a number of at most {_MOST_BITS:,} bits, "
                f"got {shown(left, most=80)} ** {shown(right, most=80)}; cast one to float"
            )
    return left**right


def _may_hold_texts(value: Any) -> bool:
    """Return whether a value is an array of objects or of texts, without loading numpy."""
    return getattr(getattr(value, "dtype", None), "kind", "") in tuple("OSUTV")


def multiplied(left: Expr, right: Expr) -> Expr:
    """Return `left * right` that takes no texts; raises ValueError if one of them is known to be a text."""
    return _of_numbers("*", left, right, (left, right), product)


def divided(left: Expr, right: Expr) -> Expr:
    """Return `left % right` that takes no text on the left; raises ValueError if that is known to be one."""
    return _of_numbers("%", left, right, (left,), remainder)


def raised(left: Expr, right: Expr) -> Expr:
    """Return `left ** right` of bounded size; raises ValueError if one of them is known to be a text."""
    for each in (left, right):
        if _is_text(each, all):
            raise ValueError(f"** must be of numbers, got the text {shown(each, most=80)}")
    return Binary("**", left, right, fn=power)


def _of_numbers(op: str, left: Expr, right: Expr, checked: tuple[Expr, ...], fn: Callable[[Any, Any], Any]) -> Expr:
    texts = [each for each in checked if _is_text(each, all)]
    if texts:
        raise ValueError(f"{op} must be of numbers, got the text {shown(texts[0], most=80)}")
    return Binary(op, left, right, fn=fn if any(_is_text(each, any) for each in checked) else None)


def _is_text(expr: Expr, some: Callable[[list[bool]], bool]) -> bool:
    """Return whether an expression may (`some=any`) or must (`some=all`) result in a text or a list."""
    may = some is any
    if isinstance(expr, FieldExpr):
        return may
    if isinstance(expr, Literal):
        return isinstance(expr.value, str)
    if isinstance(expr, Binary) and expr.op == "+":  # only a text can be added to a text
        return (all if may else any)([_is_text(expr.left, some), _is_text(expr.right, some)])
    if isinstance(expr, Binary) and expr.op in "&|":  # they return one of the two
        return some([_is_text(expr.left, some), _is_text(expr.right, some)])
    if isinstance(expr, FillNull):
        return some([_is_text(expr.of, some), _is_text(expr.instead, some)])
    if isinstance(expr, Call) and expr.fn in ("min", "max"):
        return some([_is_text(each, some) for each in expr.arguments])
    return isinstance(expr, Call) and expr.fn == "str"


def check_size(expr: Expr) -> None:
    """Raise ValueError if an expression is nested too deep, or too large once expanded."""
    measures: dict[int, tuple[int, int]] = {}
    """Depth and size by identity; a part that occurs several times counts each time."""
    left = [expr]
    while left:  # no recursion, since it may be nested deeper than Python's stack
        part = left[-1]
        parts = [each for each in part.parts() if isinstance(each, Expr)]
        unknown = [each for each in parts if id(each) not in measures]
        if unknown:
            left += unknown
            continue
        left.pop()
        if isinstance(part, FillNull):
            parts.append(part.of)  # it is written twice
        known = [measures[id(each)] for each in parts]
        measures[id(part)] = 1 + max((d for d, _ in known), default=0), 1 + sum(n for _, n in known)
    depth, size = measures[id(expr)]
    if depth > _DEEPEST:
        raise ValueError(f"must be nested at most {_DEEPEST} deep, got {depth:,}")
    if size > _LARGEST:
        raise ValueError(f"must have at most {_LARGEST:,} fields, values and operators written out, got {shown(size)}")
