"""Expressions over columns: numpy where it is certain to give what Python gives, else item by item."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeGuard

import numpy as np
from numpy.typing import NDArray

from rxdag.columns._column import (
    INT64_MAX,
    INT64_MIN,
    Array,
    Coded,
    Column,
    Nullable,
    bounds_of,
    column_of,
    is_array,
    is_ndarray,
)
from rxdag.contract import RowFailed
from rxdag.expressions import (
    Between,
    Binary,
    Call,
    Expr,
    FieldExpr,
    FillNull,
    IsIn,
    IsNull,
    Literal,
    Unary,
    of_value,
)

if TYPE_CHECKING:
    from rxdag.columns._columns import Columns

Value = tuple[Any, int, int]
"""A column or a scalar, and two ints between which it lies if it is of ints."""
Step = Callable[["Columns"], Value]

_EXACT: Final = 1 << 53  # ints up to here are floats exactly
_MOST_MEMBERS: Final = 16
_FEW_NAMES: Final = 4096
_INT64_CHAR: Final = np.dtype(np.int64).char

_ARITHMETIC: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.true_divide,
    "//": np.floor_divide,
    "%": np.remainder,
}
_COMPARISONS: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
    "==": np.equal,
    "!=": np.not_equal,
}


class Uncertain(Exception):  # says that rows must decide
    """numpy may give something else than Python here: the items are to be looked at one by one."""


class Vector:
    """An expression over columns.

    Args:
        expr: The expression.
        fn: The same as a function of an item: its definition.
    """

    __slots__ = ("_fn", "_step")

    def __init__(self, expr: Expr, fn: Callable[[Any], Any]) -> None:
        self._fn = fn
        self._step = step_of(expr)

    def value(self, columns: Columns) -> Value:
        """The values, and between what they lie."""
        try:
            data, low, high = self._step(columns)
        except Exception:  # whatever it is, the items tell
            column = self._by_item(columns)
            return column, INT64_MIN, INT64_MAX
        if data.__class__ is not np.ndarray and not is_column(data):
            data = column_of([data] * columns.n) if columns.n else np.empty(0)
        return data, low, high

    def _by_item(self, columns: Columns) -> Column:
        fn = self._fn
        values: list[Any] = []
        index = 0
        try:
            for index, item in enumerate(columns.rows()):  # noqa: B007  # the handler needs it
                values.append(fn(item))
        except Exception as error:
            raise RowFailed(index, error) from error
        return column_of(values)


def is_column(data: object) -> TypeGuard[Column]:
    """True for a column, False for a scalar."""
    return is_ndarray(data) or isinstance(data, Coded | Nullable)


def step_of(expr: Expr) -> Step:
    """What evaluates a part of an expression."""
    general = _general(expr)
    if len(expr.fields) == 1 and not isinstance(expr, FieldExpr):
        return _by_name(expr, expr.fields[0], general)
    return general


def _general(expr: Expr) -> Step:
    if isinstance(expr, FieldExpr):
        return _field(expr.name)
    if isinstance(expr, Literal):
        return _literal(expr.value)
    if isinstance(expr, Binary):
        return _binary(expr)
    if isinstance(expr, Unary):
        return _negative(step_of(expr.of)) if expr.op == "-" else _not(step_of(expr.of))
    if isinstance(expr, Between):
        low, of, high = step_of(expr.low), step_of(expr.of), step_of(expr.high)
        return lambda c: _both(_compare("<=", low(c), of(c)), _compare("<=", of(c), high(c)))
    if isinstance(expr, IsIn):
        return _is_in(step_of(expr.of), expr.values)
    if isinstance(expr, IsNull):
        return _is_null(expr.of)
    if isinstance(expr, FillNull):
        return _fill_null(expr)
    if isinstance(expr, Call):
        return _call(expr)
    return _uncertain


def _uncertain(columns: Columns) -> Value:
    raise Uncertain


def _field(name: str) -> Step:
    def step(columns: Columns) -> Value:
        column = columns[name]
        if isinstance(column, np.ndarray):
            if column.dtype.char == _INT64_CHAR:
                low, high = columns.bounds(name)
                return column, low, high
            return column, 0, 1
        if isinstance(column, Nullable) and bool(column.valid.all()):
            return _measured(column.values)
        if isinstance(column, Coded):
            return column, 0, 0
        raise Uncertain

    return step


def _literal(value: Any) -> Step:
    if isinstance(value, int) and not INT64_MIN <= value <= INT64_MAX:
        return _uncertain
    known: Value = (value, value, value) if isinstance(value, int) else (value, 0, 0)
    return lambda columns: known


def _measured(array: Array) -> Value:
    return (array, *bounds_of(array)) if array.dtype.kind in "ib" else (array, 0, 0)


def _by_name(expr: Expr, name: str, general: Step) -> Step:
    """Of a dictionary-coded field, evaluate each of its names once."""
    fn = of_value(expr)
    cached: tuple[Sequence[Any], int, Value] | None = None

    def step(columns: Columns) -> Value:
        nonlocal cached
        try:
            return general(columns)
        except Uncertain:
            column = columns[name]
            if not isinstance(column, Coded):
                raise
        names, codes = column.names, column.codes
        has_null = len(codes) > 0 and int(codes.min()) < 0
        size = len(names) + has_null
        if cached is None or cached[0] is not names or cached[1] != size:
            if size > max(_FEW_NAMES, 4 * columns.n):
                raise Uncertain
            results = [fn(each) for each in (*names, None)[:size]]
            cached = (names, size, _measured_column(column_of(results)))
        table, low, high = cached[2]
        return table[codes], low, high  # -1, a null, is the last of the table

    return step


def _measured_column(column: Column) -> Value:
    return _measured(column) if isinstance(column, np.ndarray) else (column, 0, 0)


# ---- kinds


def _kind(data: Any) -> str:
    """What numpy calls the kind of an array, the same of a scalar; "" for what is neither."""
    if is_ndarray(data):
        return data.dtype.kind
    if isinstance(data, bool):
        return "b"
    return "i" if isinstance(data, int) else "f" if isinstance(data, float) else ""


def _numbers(left: Value, right: Value) -> tuple[Any, Any, str]:
    """Both sides as numbers that numpy takes as Python does, and the kind of what comes out."""
    a, b = left[0], right[0]
    kinds = _kind(a), _kind(b)
    for kind in kinds:
        if kind not in ("i", "f", "b"):
            raise Uncertain
    if "f" in kinds:
        for kind, (_, low, high) in zip(kinds, (left, right), strict=True):
            if kind == "i" and not -_EXACT <= low <= high <= _EXACT:
                raise Uncertain
        return a, b, "f"
    return _plain_int(a), _plain_int(b), "i"


def _plain_int(data: Any) -> Any:
    if isinstance(data, bool):
        return int(data)
    return data.astype(np.int64) if is_ndarray(data) and data.dtype.kind == "b" else data


# ---- arithmetic


def _binary(expr: Binary) -> Step:
    op = expr.op
    left, right = step_of(expr.left), step_of(expr.right)
    if op in _COMPARISONS:
        return _comparison(op, left, right, expr.right)
    if op == "&":
        return lambda c: _both(left(c), right(c))
    if op == "|":
        return lambda c: _either(left(c), right(c))
    slow: Callable[[Value, Value], Value] = partial(_divide if op in ("/", "//", "%") else _arithmetic, op)
    by = _int_of(expr.right)
    fast = _BY_INT.get(op) if by is not None and abs(by) < _SMALL and (by > 0 or op in "+-*") else None
    if fast is None or by is None:
        return lambda c: slow(left(c), right(c))
    return lambda c: _by_int(fast, by, left(c)) or slow(left(c), right(c))


def _int_of(expr: Expr) -> int | None:
    """The value of an int that is written out; None for anything else."""
    value = expr.value if isinstance(expr, Literal) else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _by_int(fast: Callable[[Array, int, int, int], Value | None], by: int, value: Value) -> Value | None:
    """Ints by a small int: the common case, without the questions of the others; None if it is another."""
    data, low, high = value
    return fast(data, by, low, high) if data.__class__ is np.ndarray and data.dtype.char == _INT64_CHAR else None


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
    return np.subtract(a, whole, out=whole), 0, by - 1  # the same, and twice as fast as numpy's remainder


_SMALL: Final = 1 << 31
_BY_INT: Final = {"+": _plus, "-": _minus, "*": _times, "//": _quotient, "%": _remainder}


def _arithmetic(op: str, left: Value, right: Value) -> Value:
    a, b, kind = _numbers(left, right)
    if not is_ndarray(a) and not is_ndarray(b):
        raise Uncertain
    if kind == "f":
        return _of_floats(op, a, b)
    low, high = _range(op, left, right)
    if not INT64_MIN <= low <= high <= INT64_MAX:
        low, high = _range(op, _tight(a), _tight(b))
        if not INT64_MIN <= low <= high <= INT64_MAX:
            raise Uncertain
    return _ARITHMETIC[op](a, b), low, high


def _of_floats(op: str, a: Any, b: Any) -> Value:
    with np.errstate(all="ignore"):  # infinity and NaN are values like others, as in Python
        return _ARITHMETIC[op](a, b), 0, 0


def _tight(data: Any) -> Value:
    return _measured(data) if is_ndarray(data) else (data, data, data)


def _range(op: str, left: Value, right: Value) -> tuple[int, int]:
    _, a, b = left
    _, c, d = right
    if op == "+":
        return a + c, b + d
    if op == "-":
        return a - d, b - c
    corners = (a * c, a * d, b * c, b * d)
    return min(corners), max(corners)


def _divide(op: str, left: Value, right: Value) -> Value:
    a, b, kind = _numbers(left, right)
    if not is_ndarray(a) and not is_ndarray(b):
        raise Uncertain
    if not is_ndarray(b):
        if b == 0:
            raise Uncertain
    elif not bool(np.all(b)):
        raise Uncertain
    if kind == "f":
        return _of_floats(op, a, b)
    if op == "/":
        for _, low, high in (left, right):
            if not -_EXACT <= low <= high <= _EXACT:
                raise Uncertain
        return a / b, 0, 0
    if left[1] == INT64_MIN:
        raise Uncertain  # its quotient by -1 is no int64
    return (*_tight(_ARITHMETIC[op](a, b))[:1], INT64_MIN, INT64_MAX)


def _negative(of: Step) -> Step:
    def step(columns: Columns) -> Value:
        data, low, high = of(columns)
        kind = _kind(data)
        if not is_ndarray(data) or kind not in ("i", "f", "b") or (kind == "i" and low == INT64_MIN):
            raise Uncertain
        return -_plain_int(data), -high, -low

    return step


# ---- truth


def _comparison(op: str, left: Step, right: Step, by: Expr) -> Step:
    """A comparison; of ints with an int without the questions of the others."""
    fn = _COMPARISONS[op]
    bound = _int_of(by)
    if bound is None or not INT64_MIN <= bound <= INT64_MAX:
        return lambda c: _compare(op, left(c), right(c))

    def step(columns: Columns) -> Value:
        value = left(columns)
        data = value[0]
        if data.__class__ is np.ndarray and data.dtype.char == _INT64_CHAR:
            return fn(data, bound), 0, 1
        return _compare(op, value, right(columns))

    return step


def _compare(op: str, left: Value, right: Value) -> Value:
    a, b = left[0], right[0]
    if _kind(a) == "O" or _kind(b) == "O":
        return _compare_objects(op, a, b)
    a, b, _ = _numbers(left, right)
    if not is_ndarray(a) and not is_ndarray(b):
        raise Uncertain
    return _COMPARISONS[op](a, b), 0, 1


def _compare_objects(op: str, a: Any, b: Any) -> Value:
    """Python's own comparison of each pair; only against a scalar, which cannot be taken for an array."""
    if is_ndarray(a) and isinstance(b, str | int | float):
        compared = _COMPARISONS[op](a, b)
        if is_ndarray(compared) and compared.dtype.kind == "b":
            return compared, 0, 1
    raise Uncertain


def _truths(value: Value) -> Any:
    """Truth values of what holds nothing else: `and` and `or` give back their operands."""
    data = value[0]
    if _kind(data) != "b":
        raise Uncertain
    return data


def _both(left: Value, right: Value) -> Value:
    return _logical(np.logical_and, left, right)


def _either(left: Value, right: Value) -> Value:
    return _logical(np.logical_or, left, right)


def _logical(fn: Callable[[Any, Any], Any], left: Value, right: Value) -> Value:
    if not is_ndarray(left[0]) and not is_ndarray(right[0]):
        raise Uncertain
    return fn(_truths(left), _truths(right)), 0, 1


def _not(of: Step) -> Step:
    def step(columns: Columns) -> Value:
        data = of(columns)[0]
        if not is_array(data, "ifb"):
            raise Uncertain
        return data == 0, 0, 1  # NaN is true

    return step


def _is_in(of: Step, values: tuple[object, ...]) -> Step:
    is_plain = all(isinstance(v, int | float) and (isinstance(v, int) or v == v) for v in values)
    if not is_plain or len(values) > _MOST_MEMBERS:
        return _uncertain

    def step(columns: Columns) -> Value:
        value = of(columns)
        if not is_array(value[0], "ifb"):
            raise Uncertain
        found = np.zeros(columns.n, np.bool_)
        for each in values:
            found |= _compare("==", value, _literal(each)(columns))[0]
        return found, 0, 1

    return step


# ---- nulls


def _is_null(of: Expr) -> Step:
    if not isinstance(of, FieldExpr):
        return _uncertain

    def step(columns: Columns) -> Value:
        column = columns[of.name]
        if isinstance(column, Nullable):
            return ~column.valid, 0, 1
        if isinstance(column, Coded):
            return column.codes < 0, 0, 1
        if column.dtype.kind == "O":
            raise Uncertain
        return np.zeros(columns.n, np.bool_), 0, 1

    return step


def _fill_null(expr: FillNull) -> Step:
    of, instead = expr.of, expr.instead
    if not isinstance(of, FieldExpr) or not isinstance(instead, Literal):
        return _uncertain
    value: Any = instead.value

    def step(columns: Columns) -> Value:
        column = columns[of.name]
        if isinstance(column, Nullable):
            kind = column.values.dtype.kind
            if _kind(value) != kind:
                raise Uncertain
            return _measured(np.where(column.valid, column.values, value))
        if is_array(column, "ifb"):
            return _field(of.name)(columns)
        raise Uncertain

    return step


# ---- functions


def _call(expr: Call) -> Step:
    arguments = [step_of(argument) for argument in expr.arguments]
    fn = expr.fn
    if fn == "abs":
        return lambda c: _absolute(arguments[0](c))
    if fn in ("min", "max"):
        return lambda c: _extreme(fn, arguments[0](c), arguments[1](c))
    if fn in ("int", "float", "bool"):
        return lambda c: _cast(fn, arguments[0](c))
    return _uncertain


def _absolute(value: Value) -> Value:
    data, low, high = value
    if not is_array(data, "ifb") or (_kind(data) == "i" and low == INT64_MIN):
        raise Uncertain
    return np.abs(_plain_int(data)), 0, max(abs(low), abs(high))


def _extreme(fn: str, left: Value, right: Value) -> Value:
    """Python's `min` and `max`: the second only if it is less, or more, so that NaN and zeros come out alike."""
    a, b = left[0], right[0]
    if _kind(a) != _kind(b) or _kind(a) == "b":
        raise Uncertain
    a, b, _ = _numbers(left, right)
    if not is_ndarray(a) and not is_ndarray(b):
        raise Uncertain
    chosen = np.where(b < a if fn == "min" else b > a, b, a)
    return chosen, min(left[1], right[1]), max(left[2], right[2])


def _cast(fn: str, value: Value) -> Value:
    data, low, high = value
    kind = _kind(data)
    if not is_ndarray(data) or kind not in ("i", "f", "b"):
        raise Uncertain
    if fn == "bool":
        return data != 0, 0, 1
    if fn == "float":
        return data.astype(np.float64), 0, 0  # one rounding to the nearest, as Python's
    if kind == "f":
        if not bool(np.all(np.abs(data) < 2.0**62)):  # false for NaN too
            raise Uncertain
        return _measured(data.astype(np.int64))
    return _plain_int(data), low, high


def truths_of(column: Column) -> NDArray[np.bool_]:
    """Which values are true, as Python's `if` sees them."""
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
