"""Expressions over named tuples, evaluated in compiled code: no Python frame for each item."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from mypy_extensions import i64

from rxdag.expressions._col import Several
from rxdag.expressions._expr import Binary, Expr, FieldExpr, Literal, Unary
from rxdag.expressions._named_field import IS_COMPILED, is_tuple_field
from rxdag.expressions._names import field_names

_OPERATORS: Final = ("+", "-", "*", "/", "<", "<=", ">", ">=", "==", "!=", "&", "|")


class _Part:
    """A part of an expression, evaluated on the fields of an item."""

    def of(self, fields: tuple[Any, ...]) -> Any:
        raise NotImplementedError


class _Field(_Part):
    def __init__(self, place: int) -> None:
        self.place: i64 = place

    def of(self, fields: tuple[Any, ...]) -> Any:
        return fields[self.place]


class _Constant(_Part):
    def __init__(self, value: Any) -> None:
        self.value = value

    def of(self, fields: tuple[Any, ...]) -> Any:
        return self.value


class _Unary(_Part):
    def __init__(self, op: str, part: _Part) -> None:
        self.negates = op == "~"
        self.part = part

    def of(self, fields: tuple[Any, ...]) -> Any:
        value = self.part.of(fields)
        return not value if self.negates else -value


class _Binary(_Part):
    def __init__(self, op: str, left: _Part, right: _Part) -> None:
        self.op: i64 = _OPERATORS.index(op)
        self.left = left
        self.right = right

    def of(self, fields: tuple[Any, ...]) -> Any:
        op = self.op
        left = self.left.of(fields)
        if op >= 10:
            return left and self.right.of(fields) if op == 10 else left or self.right.of(fields)
        right = self.right.of(fields)
        return _compared(op, left, right) if op >= 4 else _computed(op, left, right)


def _computed(op: i64, left: Any, right: Any) -> Any:
    if op == 0:
        return left + right
    if op == 1:
        return left - right
    return left * right if op == 2 else left / right


def _compared(op: i64, left: Any, right: Any) -> Any:
    if op == 4:
        return left < right
    if op == 5:
        return left <= right
    if op == 6:
        return left > right
    if op == 7:
        return left >= right
    return left == right if op == 8 else left != right


class _Several(_Part):
    def __init__(self, parts: list[_Part]) -> None:
        self.parts = parts

    def of(self, fields: tuple[Any, ...]) -> Any:
        parts = self.parts
        if len(parts) == 2:  # as most keys
            return parts[0].of(fields), parts[1].of(fields)
        return tuple([part.of(fields) for part in parts])


class _Evaluated:
    """An expression as a function of a named tuple; `fn` is the same function in Python, for other items and for errors."""

    def __init__(self, owner: type[Any], part: _Part, fn: Callable[[Any], Any]) -> None:
        self.owner: Any = owner
        self.part = part
        self.fn = fn

    def __call__(self, item: Any) -> Any:
        if type(item) is self.owner:
            try:
                return self.part.of(item)
            except Exception:  # an expression has no side effects, and the traceback then shows the user's line
                return self.fn(item)
        return self.fn(item)


def evaluated(expr: Expr, item_type: Any, fn: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a function that is equal to one of an expression, in compiled code if that is quicker.

    Args:
        expr: The expression.
        item_type: Type of the items.
        fn: The expression as a function in Python.
    """
    names = field_names(item_type)
    if not IS_COMPILED or names is None or not all(is_tuple_field(item_type, name) for name in expr.fields):
        return fn
    part = _part(expr, names)
    return fn if part is None else _Evaluated(item_type, part, fn)


def _part(expr: Any, names: tuple[str, ...]) -> _Part | None:
    """Return an expression as parts; None if some of it has to be called."""
    if isinstance(expr, FieldExpr):
        return _Field(names.index(expr.name))
    if isinstance(expr, Literal):
        return _Constant(expr.value)
    if isinstance(expr, Unary):
        part = _part(expr.of, names)
        return None if part is None else _Unary(expr.op, part)
    if isinstance(expr, Binary) and expr.op in _OPERATORS and expr.fn is None:
        left, right = _part(expr.left, names), _part(expr.right, names)
        return None if left is None or right is None else _Binary(expr.op, left, right)
    if isinstance(expr, Several):
        parts = [_part(each, names) for each in expr.parts()]
        return _Several([part for part in parts if part is not None]) if None not in parts else None
    return None
