"""Arithmetic over columns, where the result is certain to equal Python's."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from rxdag.columns._column import INT64_MAX, INT64_MIN, Array, column_of, is_array, is_ndarray
from rxdag.columns._value import EXACT, INT64_CHAR, Step, Uncertain, Value, kind_of, measured, numbers, plain_int
from rxdag.expressions import Expr, Literal

if TYPE_CHECKING:
    from rxdag.columns._columns import Columns

_NUMBERS: Final = ("i", "f", "b")
_ARITHMETIC: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.true_divide,
    "//": np.floor_divide,
    "%": np.remainder,
}


def int_of(expr: Expr) -> int | None:
    """Return the value of an int constant; None for anything else."""
    value = expr.value if isinstance(expr, Literal) else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def by_int(fast: Callable[[Array, int, int, int], Value | None], by: int, value: Value) -> Value | None:
    """Compute ints with a small int constant, the common case, on a short path; None if it does not apply."""
    data, low, high = value
    return fast(data, by, low, high) if data.__class__ is np.ndarray and data.dtype.char == INT64_CHAR else None


def _plus(a: Array, by: int, low: int, high: int) -> Value | None:
    low, high = low + by, high + by
    return (a + by, low, high) if low >= INT64_MIN and high <= INT64_MAX else None


def _minus(a: Array, by: int, low: int, high: int) -> Value | None:
    return _plus(a, -by, low, high)


def _times(a: Array, by: int, low: int, high: int) -> Value | None:
    low, high = (low * by, high * by) if by >= 0 else (high * by, low * by)
    return (a * by, low, high) if low >= INT64_MIN and high <= INT64_MAX else None


def _quotient(a: Array, by: int, low: int, high: int) -> Value | None:
    return a // by, low // by, high // by


def _remainder(a: Array, by: int, low: int, high: int) -> Value | None:
    whole = a // by
    whole *= by
    return np.subtract(a, whole, out=whole), 0, by - 1  # equal to numpy's remainder, and twice as fast


SMALL: Final = 1 << 31
BY_INT: Final = {"+": _plus, "-": _minus, "*": _times, "//": _quotient, "%": _remainder}


def arithmetic(op: str, left: Value, right: Value) -> Value:
    a, b, kind = numbers(left, right)
    if not is_ndarray(a) and not is_ndarray(b):
        raise Uncertain
    if kind == "f":
        return _of_floats(op, a, b)
    low, high = _range(op, left, right)
    if not INT64_MIN <= low <= high <= INT64_MAX:
        # The bounds may be those of a larger array: measure before giving up.
        low, high = _range(op, _tight(a), _tight(b))
        if not INT64_MIN <= low <= high <= INT64_MAX:
            raise Uncertain
    return _ARITHMETIC[op](a, b), low, high


def _of_floats(op: str, a: Any, b: Any) -> Value:
    with np.errstate(all="ignore"):  # infinity and NaN are values like others, as in Python
        return _ARITHMETIC[op](a, b), 0, 0


def _tight(data: Any) -> Value:
    return measured(data) if is_ndarray(data) else (data, data, data)


def _range(op: str, left: Value, right: Value) -> tuple[int, int]:
    _, a, b = left
    _, c, d = right
    if op == "+":
        return a + c, b + d
    if op == "-":
        return a - d, b - c
    corners = (a * c, a * d, b * c, b * d)
    return min(corners), max(corners)


def divide(op: str, left: Value, right: Value) -> Value:
    a, b, kind = numbers(left, right)
    if not is_ndarray(a) and not is_ndarray(b):
        raise Uncertain
    if not is_ndarray(b):
        # Python raises here, and only the loop over rows can name the row.
        if b == 0:
            raise Uncertain
    elif not bool(np.all(b)):
        raise Uncertain
    if kind == "f":
        return _of_floats(op, a, b)
    if op == "/":
        for _, low, high in (left, right):
            # Larger ints are inexact as floats: numpy rounds before the division, Python after it.
            if not -EXACT <= low <= high <= EXACT:
                raise Uncertain
        return a / b, 0, 0
    if left[1] == INT64_MIN:
        raise Uncertain  # its quotient by -1 does not fit into int64
    return (*_tight(_ARITHMETIC[op](a, b))[:1], INT64_MIN, INT64_MAX)


def power(fn: Callable[[Any, Any], Any], left: Value, right: Value) -> Value:
    """Raise one side to the power of the other, item by item in Python except for small int powers that stay int64.

    numpy rounds float powers differently from Python, and returns infinity or NaN where Python raises or returns a
    complex.
    """
    a, b = left[0], right[0]
    by = b if type(b) is int and 0 <= b < 64 else None
    if by is not None and is_ndarray(a) and a.dtype.char == INT64_CHAR:
        most = max(abs(left[1]), abs(left[2])) ** by
        if most <= INT64_MAX:
            return a**by, min(0, -most), max(1, most)
    if kind_of(a) not in _NUMBERS or kind_of(b) not in _NUMBERS or not (is_ndarray(a) or is_ndarray(b)):
        raise Uncertain
    n = max(len(each) for each in (a, b) if is_ndarray(each))
    bases, exponents = (each.tolist() if is_ndarray(each) else [each] * n for each in (a, b))
    made = column_of([fn(base, by) for base, by in zip(bases, exponents, strict=True)])
    if not is_array(made, "if"):
        raise Uncertain
    return measured(made)


def negative(of: Step) -> Step:
    def step(columns: Columns) -> Value:
        data, low, high = of(columns)
        kind = kind_of(data)
        if not is_ndarray(data) or kind not in ("i", "f", "b") or (kind == "i" and low == INT64_MIN):
            raise Uncertain
        return -plain_int(data), -high, -low

    return step


def absolute(value: Value) -> Value:
    data, low, high = value
    if not is_array(data, "ifb") or (kind_of(data) == "i" and low == INT64_MIN):
        raise Uncertain
    return np.abs(plain_int(data)), 0, max(abs(low), abs(high))


def extreme(fn: str, left: Value, right: Value) -> Value:
    """Compute Python's `min` or `max`: the second wins only if strictly less or more, so NaN and zeros match."""
    a, b = left[0], right[0]
    if kind_of(a) != kind_of(b) or kind_of(a) == "b":
        # A mix of kinds would change the type of the result, and a bool would become a number.
        raise Uncertain
    a, b, _ = numbers(left, right)
    if not is_ndarray(a) and not is_ndarray(b):
        raise Uncertain
    # np.minimum would give NaN wherever one is, and either of two equal zeros.
    chosen = np.where(b < a if fn == "min" else b > a, b, a)
    return chosen, min(left[1], right[1]), max(left[2], right[2])


def cast(fn: str, value: Value) -> Value:
    data, low, high = value
    kind = kind_of(data)
    if not is_ndarray(data) or kind not in ("i", "f", "b"):
        raise Uncertain
    if fn == "bool":
        return data != 0, 0, 1
    if fn == "float":
        return data.astype(np.float64), 0, 0  # rounds to nearest once, as Python does
    if kind == "f":
        # Beyond int64, numpy wraps around silently; Python's ints are unbounded.
        if not bool(np.all(np.abs(data) < 2.0**62)):  # false for NaN too
            raise Uncertain
        return measured(data.astype(np.int64))
    return plain_int(data), low, high
