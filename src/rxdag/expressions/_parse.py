"""Parse: expressions from text, through a short list of what is allowed."""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable
from typing import Any, Final

from rxdag.errors import SpecError
from rxdag.expressions._expr import Expr, Field, as_expr


def _cast_to(kind: type[Any]) -> Callable[[Expr], Expr]:
    return lambda value: value.cast(kind)


_BINARY: Final[dict[type[ast.AST], Callable[[Expr, object], Expr]]] = {
    ast.Add: Expr.__add__, ast.Sub: Expr.__sub__, ast.Mult: Expr.__mul__, ast.Div: Expr.__truediv__,
    ast.FloorDiv: Expr.__floordiv__, ast.Mod: Expr.__mod__,
}  # fmt: skip
_COMPARE: Final[dict[type[ast.AST], Callable[[Expr, object], Expr]]] = {
    ast.Lt: Expr.__lt__, ast.LtE: Expr.__le__, ast.Gt: Expr.__gt__, ast.GtE: Expr.__ge__,
    ast.Eq: Expr.__eq__, ast.NotEq: Expr.__ne__,
}  # fmt: skip
_FUNCTIONS: Final[dict[str, tuple[int, Callable[..., Expr]]]] = {
    "abs": (1, Expr.abs),
    "min": (2, Expr.min),
    "max": (2, Expr.max),
    "between": (3, Expr.between),
    "fill_null": (2, Expr.fill_null),
    "int": (1, _cast_to(int)),
    "float": (1, _cast_to(float)),
    "str": (1, _cast_to(str)),
    "bool": (1, _cast_to(bool)),
}
_LONGEST: Final = 10_000


def parse(text: str) -> Expr:
    """Read an expression: `"qty > 0 and symbol in ['BTCUSDT']"`.

    Names are fields. Allowed are numbers, texts, True, False and None, arithmetic, comparisons, `and or not`, `in` and
    `not in` a list, `is None`, the functions abs, min, max, between, fill_null, int, float, str and bool, and `col["odd name"]`.

    Raises:
        SpecError: If there is anything else; says where.
    """
    if len(text) > _LONGEST:
        raise SpecError(f"expression: must be at most {_LONGEST:,} characters, got {len(text):,}")
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        at = getattr(error, "offset", None) or 1
        raise SpecError(f'expression "{_short(text)}": column {at}: must be an expression, got {error}') from None
    try:
        return as_expr(_build(tree.body, text.strip()))
    except RecursionError:
        raise SpecError(f'expression "{_short(text)}": must be nested less deep') from None


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."


def _refuse(node: ast.AST, text: str, what: str) -> SpecError:
    at = getattr(node, "col_offset", 0) + 1
    return SpecError(f'expression "{_short(text)}": column {at}: {what}')


def _build(node: ast.expr, text: str) -> Any:
    """An expression, or a plain value where that is all it is."""
    if isinstance(node, ast.Name):
        return Field(node.id)
    if isinstance(node, ast.Constant) and (node.value is None or isinstance(node.value, bool | int | float | str)):
        return node.value
    if isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
        return _BINARY[type(node.op)](as_expr(_build(node.left, text)), _build(node.right, text))
    if isinstance(node, ast.BoolOp):
        parts = [as_expr(_build(value, text)) for value in node.values]
        return functools.reduce(Expr.__and__ if isinstance(node.op, ast.And) else Expr.__or__, parts)
    if isinstance(node, ast.UnaryOp):
        return _unary(node, text)
    if isinstance(node, ast.Compare):
        return _compare(node, text)
    if isinstance(node, ast.Call):
        return _call(node, text)
    if (
        isinstance(node, ast.Subscript)
        and (isinstance(node.value, ast.Name) and node.value.id == "col")
        and (isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str))
    ):
        return Field(node.slice.value)
    raise _refuse(node, text, f"must be fields, values and operators, got {type(node).__name__.lower()}")


def _unary(node: ast.UnaryOp, text: str) -> Any:
    value = _build(node.operand, text)
    if isinstance(node.op, ast.Not):
        return ~as_expr(value)
    if isinstance(node.op, ast.USub):
        return -value if isinstance(value, int | float) else -as_expr(value)
    raise _refuse(node, text, f"must be - or not, got {type(node.op).__name__.lower()}")


def _compare(node: ast.Compare, text: str) -> Expr:
    parts: list[Expr] = []
    left = node.left
    for op, right in zip(node.ops, node.comparators, strict=True):
        parts.append(_one_comparison(node, left, op, right, text))
        left = right
    return functools.reduce(Expr.__and__, parts)


def _one_comparison(node: ast.AST, left: ast.expr, op: ast.cmpop, right: ast.expr, text: str) -> Expr:
    value = as_expr(_build(left, text))
    if isinstance(op, ast.In | ast.NotIn):
        if not isinstance(right, ast.List | ast.Tuple):
            raise _refuse(right, text, "must be a list of values behind in")
        values = [_build(element, text) for element in right.elts]
        if any(isinstance(v, Expr) for v in values):
            raise _refuse(right, text, "must be a list of plain values behind in")
        return value.is_in(values) if isinstance(op, ast.In) else ~value.is_in(values)
    if isinstance(op, ast.Is | ast.IsNot):
        if not (isinstance(right, ast.Constant) and right.value is None):
            raise _refuse(right, text, "must be None behind is")
        return value.is_null() if isinstance(op, ast.Is) else ~value.is_null()
    return _COMPARE[type(op)](value, _build(right, text))


def _call(node: ast.Call, text: str) -> Expr:
    if not isinstance(node.func, ast.Name) or node.func.id not in _FUNCTIONS or node.keywords:
        raise _refuse(node, text, f"must be one of the functions {', '.join(_FUNCTIONS)}")
    arguments = [as_expr(_build(argument, text)) for argument in node.args]
    wanted, fn = _FUNCTIONS[node.func.id]
    if len(arguments) != wanted:
        raise _refuse(node, text, f"{node.func.id} takes {wanted}, got {len(arguments)}")
    return fn(*arguments)
