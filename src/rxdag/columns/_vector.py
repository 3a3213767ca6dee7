"""Expressions over columns: by numpy where the result is certain to equal Python's, else item by item."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeGuard

import numpy as np

from rxdag.columns._arithmetic import (
    BY_INT,
    SMALL,
    absolute,
    arithmetic,
    by_int,
    cast,
    divide,
    extreme,
    int_of,
    negative,
    power,
)
from rxdag.columns._column import INT64_MAX, INT64_MIN, Coded, Column, Nullable, column_of, is_array, is_ndarray, taken
from rxdag.columns._truth import COMPARISONS, both, compare, comparison, either, is_in, negation
from rxdag.columns._value import (
    INT64_CHAR,
    Step,
    Uncertain,
    Value,
    kind_of,
    literal,
    measured,
    measured_column,
    uncertain,
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

_FEW_NAMES: Final = 4096


class Vector:
    """An expression over columns.

    Args:
        expr: The expression.
        fn: The same as a function of an item, which defines the result.
    """

    __slots__ = ("_fn", "_step")

    def __init__(self, expr: Expr, fn: Callable[[Any], Any]) -> None:
        self._fn = fn
        self._step = step_of(expr)

    def value(self, columns: Columns) -> Value:
        """Return the values and their bounds."""
        value = self.certain(columns)
        return (self._by_item(columns), INT64_MIN, INT64_MAX) if value is None else value

    def certain(self, columns: Columns) -> Value | None:
        """Return the values and their bounds; None if rows must decide."""
        try:
            data, low, high = self._step(columns)
        except Exception:  # whatever the error, rows decide
            return None
        if data.__class__ is not np.ndarray and not is_column(data):
            data = taken(column_of([data]), np.zeros(columns.n, np.intp))
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
    """Return True for a column, False for a scalar."""
    return is_ndarray(data) or isinstance(data, Coded | Nullable)


def step_of(expr: Expr) -> Step:
    """Return the function that evaluates a part of an expression."""
    general = _general(expr)
    if len(expr.fields) == 1 and not isinstance(expr, FieldExpr):
        return _by_name(expr, expr.fields[0], general)
    return general


def _general(expr: Expr) -> Step:
    if isinstance(expr, FieldExpr):
        return _field(expr.name)
    if isinstance(expr, Literal):
        return literal(expr.value)
    if isinstance(expr, Binary):
        return _binary(expr)
    if isinstance(expr, Unary):
        return negative(step_of(expr.of)) if expr.op == "-" else negation(step_of(expr.of))
    if isinstance(expr, Between):
        low, of, high = step_of(expr.low), step_of(expr.of), step_of(expr.high)
        return lambda c: both(compare("<=", low(c), of(c)), compare("<=", of(c), high(c)))
    if isinstance(expr, IsIn):
        return is_in(step_of(expr.of), expr.values)
    if isinstance(expr, IsNull):
        return _is_null(expr.of)
    if isinstance(expr, FillNull):
        return _fill_null(expr)
    if isinstance(expr, Call):
        return _call(expr)
    return uncertain


def _field(name: str) -> Step:
    def step(columns: Columns) -> Value:
        column = columns[name]
        if isinstance(column, np.ndarray):
            if column.dtype.char == INT64_CHAR:
                low, high = columns.bounds(name)
                return column, low, high
            return column, 0, 1
        if isinstance(column, Nullable) and bool(column.valid.all()):
            return measured(column.values)
        if isinstance(column, Coded):
            return column, 0, 0
        raise Uncertain

    return step


def _by_name(expr: Expr, name: str, general: Step) -> Step:
    """Return a step that evaluates each name of a dictionary-coded field once."""
    fn = of_value(expr)
    cached: tuple[Sequence[Any], int, Value] | None = None

    def step(columns: Columns) -> Value:
        nonlocal cached
        known = cached  # two runs of one plan may call this at once
        try:
            return general(columns)
        except Uncertain:
            column = columns[name]
            if not isinstance(column, Coded):
                raise
        names, codes = column.names, column.codes
        has_null = len(codes) > 0 and int(codes.min()) < 0
        size = len(names) + has_null
        if known is None or known[0] is not names or known[1] != size:
            if size > max(_FEW_NAMES, 4 * columns.n):
                raise Uncertain
            results = [fn(each) for each in (*names, None)[:size]]
            known = cached = (names, size, measured_column(column_of(results)))
        table, low, high = known[2]
        return table[codes], low, high  # -1, a null, selects the last entry

    return step


def _binary(expr: Binary) -> Step:
    op = expr.op
    left, right = step_of(expr.left), step_of(expr.right)
    if op in COMPARISONS:
        return comparison(op, left, right, expr.right)
    if op == "&":
        return lambda c: both(left(c), right(c))
    if op == "|":
        return lambda c: either(left(c), right(c))
    if op == "**":
        raised = _raised if expr.fn is None else expr.fn
        return lambda c: power(raised, left(c), right(c))
    slow: Callable[[Value, Value], Value] = partial(divide if op in ("/", "//", "%") else arithmetic, op)
    by = int_of(expr.right)
    # // and % need a positive divisor: 0 raises in Python, and a negative one reverses the bounds.
    fast = BY_INT.get(op) if by is not None and abs(by) < SMALL and (by > 0 or op in "+-*") else None
    if fast is None or by is None:
        return lambda c: slow(left(c), right(c))
    return lambda c: by_int(fast, by, left(c)) or slow(left(c), right(c))


def _raised(base: Any, by: Any) -> Any:
    return base**by


def _is_null(of: Expr) -> Step:
    if not isinstance(of, FieldExpr):
        return uncertain

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
        return uncertain
    value: Any = instead.value

    def step(columns: Columns) -> Value:
        column = columns[of.name]
        if isinstance(column, Nullable):
            kind = column.values.dtype.kind
            if kind_of(value) != kind:
                raise Uncertain
            return measured(np.where(column.valid, column.values, value))
        if is_array(column, "ifb"):
            return _field(of.name)(columns)
        raise Uncertain

    return step


def _call(expr: Call) -> Step:
    arguments = [step_of(argument) for argument in expr.arguments]
    fn = expr.fn
    if fn == "abs":
        return lambda c: absolute(arguments[0](c))
    if fn in ("min", "max"):
        return lambda c: extreme(fn, arguments[0](c), arguments[1](c))
    if fn in ("int", "float", "bool"):
        return lambda c: cast(fn, arguments[0](c))
    return uncertain
