"""Unparse: expressions as text that `parse` reads."""

from __future__ import annotations

from typing import Final

from rxdag.errors import GraphError, shown
from rxdag.expressions._expr import Between, Binary, Call, Expr, FieldExpr, FillNull, IsIn, IsNull, Literal, Unary
from rxdag.expressions._names import is_written_plainly

_WORDS: Final = {"&": "and", "|": "or"}


def unparse(expr: Expr) -> str:
    """Write an expression as text: `parse(unparse(expr))` is the same tree.

    Raises:
        GraphError: If it holds a value that text cannot express, such as a date.

    Example:
        >>> rxdag.expressions.unparse((col.price * col.qty > 1_000) & col.symbol.is_in(["BTC"]))
        "((price * qty) > 1000) and (symbol in ['BTC'])"
    """
    match expr:
        case FieldExpr():
            return expr.name if is_written_plainly(expr.name) else f"col[{expr.name!r}]"
        case Literal():
            return _value(expr.value)
        case Unary():
            return f"{'not ' if expr.op == '~' else expr.op}{_inside(expr.of)}"
        case Binary():
            return f"{_inside(expr.left)} {_WORDS.get(expr.op, expr.op)} {_inside(expr.right)}"
        case Call():
            return f"{expr.fn}({', '.join(unparse(a) for a in expr.arguments)})"
        case IsIn():
            return f"{_inside(expr.of)} in [{', '.join(_value(v) for v in expr.values)}]"
        case Between():
            return f"between({unparse(expr.of)}, {unparse(expr.low)}, {unparse(expr.high)})"
        case IsNull():
            return f"{_inside(expr.of)} is None"
        case FillNull():
            return f"fill_null({unparse(expr.of)}, {unparse(expr.instead)})"
        case _:
            raise GraphError(f"unparse: {shown(expr)} must be made of fields, values and operators")


def _inside(expr: Expr) -> str:
    simple = isinstance(expr, FieldExpr | Call | FillNull | Between) or (
        isinstance(expr, Literal) and not (isinstance(expr.value, int | float) and expr.value < 0)
    )
    return unparse(expr) if simple else f"({unparse(expr)})"


def _value(value: object) -> str:
    if value is None or type(value) in (bool, int, str):
        return repr(value)
    if type(value) is float and value - value == 0:
        return repr(value)
    raise GraphError(f"unparse: a value must be a number, a text, True, False or None, got {shown(value)}")
