"""Comparisons and truth over columns, where they are certain to be Python's."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from rxdag.columns._arithmetic import int_of
from rxdag.columns._column import INT64_MAX, INT64_MIN, Coded, Column, Nullable, is_array, is_ndarray
from rxdag.columns._value import INT64_CHAR, Step, Uncertain, Value, kind_of, literal, numbers, uncertain
from rxdag.expressions import Expr

if TYPE_CHECKING:
    from rxdag.columns._columns import Columns

_MOST_MEMBERS: Final = 16

COMPARISONS: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
    "==": np.equal,
    "!=": np.not_equal,
}


def comparison(op: str, left: Step, right: Step, by: Expr) -> Step:
    """Return a comparison step; ints with an int constant take a short path."""
    fn = COMPARISONS[op]
    bound = int_of(by)
    if bound is None or not INT64_MIN <= bound <= INT64_MAX:
        return lambda c: compare(op, left(c), right(c))

    def step(columns: Columns) -> Value:
        value = left(columns)
        data = value[0]
        if data.__class__ is np.ndarray and data.dtype.char == INT64_CHAR:
            return fn(data, bound), 0, 1
        return compare(op, value, right(columns))

    return step


def compare(op: str, left: Value, right: Value) -> Value:
    a, b = left[0], right[0]
    if kind_of(a) == "O" or kind_of(b) == "O":
        return _compare_objects(op, a, b)
    a, b, _ = numbers(left, right)
    if not is_ndarray(a) and not is_ndarray(b):
        raise Uncertain
    with np.errstate(invalid="ignore"):  # of NaN, on some machines
        return COMPARISONS[op](a, b), 0, 1


def _compare_objects(op: str, a: Any, b: Any) -> Value:
    """Compare each pair by Python; only against a scalar, which cannot be taken for an array."""
    if is_ndarray(a) and isinstance(b, str | int | float):
        with np.errstate(invalid="ignore"):
            compared = COMPARISONS[op](a, b)
        if is_ndarray(compared) and compared.dtype.kind == "b":
            return compared, 0, 1
    raise Uncertain


def _truths(value: Value) -> Any:
    """Return the truth values of bools; others are uncertain, since `and` and `or` return their operands."""
    data = value[0]
    if kind_of(data) != "b":
        raise Uncertain
    return data


def both(left: Value, right: Value) -> Value:
    return _logical(np.logical_and, left, right)


def either(left: Value, right: Value) -> Value:
    return _logical(np.logical_or, left, right)


def _logical(fn: Callable[[Any, Any], Any], left: Value, right: Value) -> Value:
    if not is_ndarray(left[0]) and not is_ndarray(right[0]):
        raise Uncertain
    return fn(_truths(left), _truths(right)), 0, 1


def negation(of: Step) -> Step:
    def step(columns: Columns) -> Value:
        data = of(columns)[0]
        if not is_array(data, "ifb"):
            raise Uncertain
        return data == 0, 0, 1  # NaN is true

    return step


def is_in(of: Step, values: tuple[object, ...]) -> Step:
    # No NaN: Python finds it in a tuple by identity, numpy never finds it.
    is_plain = all(isinstance(v, int | float) and (isinstance(v, int) or v == v) for v in values)
    if not is_plain or len(values) > _MOST_MEMBERS:
        return uncertain

    def step(columns: Columns) -> Value:
        value = of(columns)
        if not is_array(value[0], "ifb"):
            raise Uncertain
        found = np.zeros(columns.n, np.bool_)
        for each in values:
            found |= compare("==", value, literal(each)(columns))[0]
        return found, 0, 1

    return step


def truths_of(column: Column) -> NDArray[np.bool_]:
    """Return which values are true in an `if` of Python."""
    truths: NDArray[np.bool_]
    if isinstance(column, Coded):
        table = np.array([*(bool(name) for name in column.names), False])
        truths = table[column.codes]
    elif isinstance(column, Nullable):
        truths = column.valid & truths_of(column.values)
    elif column.dtype.kind == "b":
        truths = column
    elif column.dtype.kind in "if":
        truths = column != 0
    else:
        truths = np.array([bool(value) for value in column.tolist()], np.bool_)
    return truths
