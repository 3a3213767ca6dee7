"""Types: checks of an expression before anything runs."""

from __future__ import annotations

import types
import typing
from typing import Any, Final

from rxdag.errors import GraphError, shown
from rxdag.expressions._expr import Between, Binary, Call, Expr, FieldExpr, FillNull, IsIn, IsNull, Literal, Unary

_ARITHMETIC: Final = ("+", "-", "*", "/", "//", "%", "**")
_ORDER: Final = ("<", "<=", ">", ">=")


def check_types(expr: Expr, item_type: Any, where: str) -> None:
    """Raise GraphError if the expression cannot work on items of that type: arithmetic with text, text against number."""
    try:
        hints = _hints(item_type)
    except (NameError, TypeError):
        return
    _kind(expr, hints, where)


def field_types(item_type: Any) -> dict[str, Any]:
    """Return the type of each field, if known."""
    try:
        return typing.get_type_hints(item_type)
    except (NameError, TypeError):
        return {}


def kind_of(field: object, item_type: Any) -> str:
    """Return the known kind of a field's values: "text", "number" or "any"."""
    expr = FieldExpr(field) if isinstance(field, str) else field
    if not isinstance(expr, Expr) or item_type is None:
        return "any"
    try:
        return _kind(expr, _hints(item_type), "kind_of")
    except (NameError, TypeError):
        return "any"


def _hints(item_type: Any) -> dict[str, Any]:
    """Return the types of the fields, and of the item itself under the empty name."""
    return {**typing.get_type_hints(item_type), "": item_type}


def _kind(expr: Expr, hints: dict[str, Any], where: str) -> str:
    """Return the kind of an expression's value: number, text or any."""
    if isinstance(expr, FieldExpr):
        return _kind_of(hints.get(expr.name, Any))
    if isinstance(expr, Literal):
        return _kind_of(type(expr.value))
    if isinstance(expr, Binary):
        return _binary(expr, hints, where)
    if isinstance(expr, Unary):
        kind = _kind(expr.of, hints, where)
        if expr.op == "-" and kind == "text":
            raise GraphError(f"{where}: {shown(expr)}: must negate a number, got the text {shown(expr.of)}")
        return "number"
    if isinstance(expr, Call):
        kinds = [_kind(a, hints, where) for a in expr.arguments]
        if expr.fn == "abs" and kinds[0] == "text":
            raise GraphError(f"{where}: {shown(expr)}: must be of a number, got the text {shown(expr.arguments[0])}")
        return {"str": "text", "int": "number", "float": "number", "bool": "number"}.get(expr.fn, kinds[0])
    if isinstance(expr, FillNull):
        return _kind(expr.of, hints, where)
    if isinstance(expr, IsIn | IsNull):
        _kind(expr.of, hints, where)
    if isinstance(expr, Between):
        of = _kind(expr.of, hints, where)
        for bound in (expr.low, expr.high):
            _compare(expr, {of, _kind(bound, hints, where)}, where)
    return "number"


def _binary(expr: Binary, hints: dict[str, Any], where: str) -> str:
    left, right = _kind(expr.left, hints, where), _kind(expr.right, hints, where)
    if expr.op in _ARITHMETIC:
        if "text" in (left, right) and not (expr.op == "+" and "number" not in (left, right)):
            text = expr.left if left == "text" else expr.right
            raise GraphError(f"{where}: {shown(expr)}: must be arithmetic of numbers, got the text {shown(text)}")
        return left if left == right else "any"
    if expr.op in _ORDER:
        _compare(expr, {left, right}, where)
    return "number"


def _compare(expr: Expr, kinds: set[str], where: str) -> None:
    if kinds == {"text", "number"}:
        raise GraphError(f"{where}: {shown(expr)}: must compare values of one kind, got a text and a number")


def _kind_of(hint: Any) -> str:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        kinds = {_kind_of(part) for part in typing.get_args(hint) if part is not type(None)}
        return kinds.pop() if len(kinds) == 1 else "any"
    if hint is str:
        return "text"
    return "number" if hint in (int, float, bool) else "any"
