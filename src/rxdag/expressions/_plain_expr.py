"""Plain functions as expressions: `lambda t: t.price * t.qty` means `col.price * col.qty` where the items' type is known."""

from __future__ import annotations

import ast
import inspect
from typing import Any, Final

from rxdag.expressions._col import as_tuple
from rxdag.expressions._expr import Binary, Expr, FieldExpr, IsIn, IsNull, Literal, Unary
from rxdag.expressions._names import attribute_names
from rxdag.expressions._plain import plain

_ITEM: Final = "item"
_ARITHMETIC: Final[dict[type[ast.operator], str]] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.FloorDiv: "//",
    ast.Mod: "%",
    ast.Pow: "**",
}
_COMPARISON: Final[dict[type[ast.cmpop], str]] = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
}


class _Other(Exception):  # a signal, not a failure
    """The function does something that expressions have no word for."""


def expression_of(fn: object, item_type: Any) -> Expr | None:
    """Return the expression that is equivalent to a function; None if there is none.

    The function may read fields of its one parameter and constants, compute, compare, and combine with `and`, `or` and
    `not`; it must read nothing else, since that could change. Items must consist of nothing but their fields.

    Args:
        fn: The user's function.
        item_type: Type of its items.
    """
    names = attribute_names(item_type)
    if not names or not _is_transparent(item_type, names):
        return None
    try:
        tree = plain(fn, (_ITEM,), _refuse)
        return None if tree is None else _Translator(frozenset(names)).whole(tree)
    except _Other:
        return None


def _refuse(name: str, value: Any) -> str:
    raise _Other


def _is_transparent(kind: type[Any], names: tuple[str, ...]) -> bool:
    """Return True if reading an attribute runs no code of the class."""
    if hasattr(kind, "__post_init__") or hasattr(kind, "__getattr__"):
        return False
    if any("__getattribute__" in vars(each) for each in kind.__mro__ if each not in (object, tuple)):
        return False
    return not any(isinstance(inspect.getattr_static(kind, name, None), property) for name in names)


class _Translator:
    def __init__(self, names: frozenset[str]) -> None:
        self._names = names

    def whole(self, tree: ast.expr) -> Expr:
        """Return the expression of a whole function body; only this may be a tuple."""
        if isinstance(tree, ast.Tuple) and tree.elts:
            return as_tuple(tuple(self.part(each) for each in tree.elts))
        return self.part(tree)

    def part(self, tree: ast.expr) -> Expr:
        if isinstance(tree, ast.Attribute) and isinstance(tree.value, ast.Name) and tree.attr in self._names:
            return FieldExpr(tree.attr)
        if isinstance(tree, ast.Constant) and (tree.value is None or type(tree.value) in (bool, int, float, str)):
            return Literal(tree.value)
        if isinstance(tree, ast.BinOp) and type(tree.op) in _ARITHMETIC:
            return Binary(_ARITHMETIC[type(tree.op)], self.part(tree.left), self.part(tree.right))
        if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.USub | ast.Not):
            return Unary("-" if isinstance(tree.op, ast.USub) else "~", self.part(tree.operand))
        if isinstance(tree, ast.BoolOp):
            return self._joined("&" if isinstance(tree.op, ast.And) else "|", [self.part(v) for v in tree.values])
        if isinstance(tree, ast.Compare) and len(tree.ops) == 1:
            return self._compared(self.part(tree.left), tree.ops[0], tree.comparators[0])
        raise _Other

    @staticmethod
    def _joined(op: str, values: list[Expr]) -> Expr:
        first, *rest = values
        for each in rest:
            first = Binary(op, first, each)
        return first

    def _compared(self, left: Expr, op: ast.cmpop, right: ast.expr) -> Expr:
        if type(op) in _COMPARISON:
            return Binary(_COMPARISON[type(op)], left, self.part(right))
        if isinstance(op, ast.Is | ast.IsNot) and isinstance(right, ast.Constant) and right.value is None:
            return IsNull(left) if isinstance(op, ast.Is) else Unary("~", IsNull(left))
        if isinstance(op, ast.In | ast.NotIn):
            found = IsIn(left, _members(right))
            return found if isinstance(op, ast.In) else Unary("~", found)
        raise _Other


def _members(tree: ast.expr) -> tuple[object, ...]:
    """Return the members of a constant tuple or set."""
    found: Any = ast.literal_eval(tree) if isinstance(tree, ast.Constant | ast.Set) else None
    values: tuple[object, ...] = tuple(found) if isinstance(found, tuple | set) else ()  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    if not values or any(type(value) not in (bool, int, float, str) for value in values):
        raise _Other
    return values
