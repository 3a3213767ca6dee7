"""Parse: expressions from text, with a short list of allowed syntax."""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable
from typing import Any, Final

from rxdag.errors import SpecError
from rxdag.expressions._expr import Expr, FieldExpr, as_expr
from rxdag.expressions._limits import check_size, divided, multiplied, raised


def _cast_to(kind: type[Any]) -> Callable[[Expr], Expr]:
    return lambda value: value.cast(kind)


_BINARY: Final[dict[type[ast.AST], Callable[[Expr, Expr], Expr]]] = {
    ast.Add: Expr.__add__, ast.Sub: Expr.__sub__, ast.Mult: multiplied, ast.Div: Expr.__truediv__,
    ast.FloorDiv: Expr.__floordiv__, ast.Mod: divided, ast.Pow: raised,
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

    Untrusted text is safe to parse and run. Since they could fill the memory, `*` refuses texts and lists, `%` a text
    on its left, and `**` a result of more than 10,000 bits; if the field of an item leads to one, the node fails with a
    TypeError, or an OverflowError for `**`.

    Raises:
        SpecError: If the text contains anything else, with its position; or if it is longer than 10,000 characters,
            nested deeper than 190 levels, or has more than 10,000 parts once expanded.

    Example:
        >>> large = rxdag.expressions.parse("qty > 0.1 and symbol in ['BTC', 'ETH']")
        >>> trades = [Trade(0, 0, 0, "X", "BTC", i, 50_000.0, qty, False) for i, qty in ((1, 0.2), (2, 0.01))]
        >>> [trade.trade_id for trade in rxdag.wrap(trades).pipe(ops.filter(large)).collect()]
        [1]
    """
    if len(text) > _LONGEST:
        raise SpecError(f"expression: must be at most {_LONGEST:,} characters, got {len(text):,}")
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        at = getattr(error, "offset", None) or 1
        raise SpecError(f'expression "{_short(text)}": column {at}: must be an expression, got {error}') from None
    try:
        made = as_expr(_build(tree.body, text.strip()))
        check_size(made)
    except RecursionError:
        raise SpecError(f'expression "{_short(text)}": must be less deeply nested') from None
    except ValueError as error:
        raise SpecError(f'expression "{_short(text)}": {error}') from None
    return made


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."


def _refuse(node: ast.AST, text: str, what: str) -> SpecError:
    at = getattr(node, "col_offset", 0) + 1
    return SpecError(f'expression "{_short(text)}": column {at}: {what}')


def _build(node: ast.expr, text: str) -> Any:
    """Return an expression, or the plain value of a constant."""
    if isinstance(node, ast.Name):
        return FieldExpr(node.id)
    if isinstance(node, ast.Constant) and (node.value is None or isinstance(node.value, bool | int | float | str)):
        return node.value
    if isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
        left, right = as_expr(_build(node.left, text)), as_expr(_build(node.right, text))
        try:
            return _BINARY[type(node.op)](left, right)
        except ValueError as error:
            raise _refuse(node, text, str(error)) from None
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
        return FieldExpr(node.slice.value)
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
    left = as_expr(_build(node.left, text))
    for i, (op, right) in enumerate(zip(node.ops, node.comparators, strict=True), 1):
        if isinstance(op, ast.In | ast.NotIn):
            found = left.is_in(_members(right, text))
            parts.append(found if isinstance(op, ast.In) else ~found)
        elif isinstance(op, ast.Is | ast.IsNot):
            if not (isinstance(right, ast.Constant) and right.value is None):
                raise _refuse(right, text, "must be None after is")
            parts.append(left.is_null() if isinstance(op, ast.Is) else ~left.is_null())
        if type(op) in _COMPARE or i < len(node.ops):
            # Built once, since a chain compares it with both neighbours.
            value = as_expr(_build(right, text))
            if type(op) in _COMPARE:
                parts.append(_COMPARE[type(op)](left, value))
            left = value
    return functools.reduce(Expr.__and__, parts)


def _members(node: ast.expr, text: str) -> list[Any]:
    if not isinstance(node, ast.List | ast.Tuple):
        raise _refuse(node, text, "must be a list of values after in")
    values = [_build(element, text) for element in node.elts]
    if any(isinstance(v, Expr) for v in values):
        raise _refuse(node, text, "must be a list of plain values after in")
    return values


def _call(node: ast.Call, text: str) -> Expr:
    if not isinstance(node.func, ast.Name) or node.func.id not in _FUNCTIONS or node.keywords:
        raise _refuse(node, text, f"must be one of the functions {', '.join(_FUNCTIONS)}")
    arguments = [as_expr(_build(argument, text)) for argument in node.args]
    wanted, fn = _FUNCTIONS[node.func.id]
    if len(arguments) != wanted:
        raise _refuse(node, text, f"{node.func.id} takes {wanted}, got {len(arguments)}")
    return fn(*arguments)
