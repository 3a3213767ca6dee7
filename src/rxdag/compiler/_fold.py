"""Fold: what is known when the plan is made is decided then, so that no item pays for it."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from typing import Any, Final

_UNKNOWN: Final = object()
_COMPARES: Final[dict[type[ast.cmpop], Callable[[int, int], bool]]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


class Folder(ast.NodeTransformer):
    """Puts constants for a kernel's parameters, and leaves out what they rule out.

    Args:
        known: The value of `self.<name>` if it never changes and is None, a truth value or a number; else raises
            KeyError.
    """

    def __init__(self, known: Callable[[str], Any]) -> None:
        self._known = known

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if isinstance(node.value, ast.Name) and node.value.id == "self" and isinstance(node.ctx, ast.Load):
            try:
                return ast.copy_location(ast.Constant(self._known(node.attr)), node)
            except KeyError:
                return node
        return self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        if isinstance(node.ops[0], ast.Is | ast.IsNot) and constant(node.comparators[0]) is not None:
            return node  # what is the same object cannot be told of a copy
        self.generic_visit(node)
        if len(node.ops) == 1 and isinstance(node.ops[0], ast.Is | ast.IsNot):
            left, right = constant(node.left), constant(node.comparators[0])
            if left is not _UNKNOWN and right is None:
                return ast.copy_location(ast.Constant((left is None) == isinstance(node.ops[0], ast.Is)), node)
        elif len(node.ops) == 1 and type(node.ops[0]) in _COMPARES:
            left, right = constant(node.left), constant(node.comparators[0])
            if type(left) is int and type(right) is int:
                return ast.copy_location(ast.Constant(_COMPARES[type(node.ops[0])](left, right)), node)
        return node

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        self.generic_visit(node)
        decides = isinstance(node.op, ast.Or)
        kept: list[ast.expr] = []
        for value in node.values:
            known = constant(value)
            if known is _UNKNOWN:
                kept.append(value)
            elif bool(known) is decides:
                kept.append(value)
                break
        if not kept:
            return ast.copy_location(ast.Constant(not decides), node)
        node.values = kept
        return kept[0] if len(kept) == 1 else node

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        self.generic_visit(node)
        known = constant(node.operand)
        if isinstance(node.op, ast.Not) and known is not _UNKNOWN:
            return ast.copy_location(ast.Constant(not known), node)
        return node

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        self.generic_visit(node)
        known = constant(node.test)
        if known is _UNKNOWN:
            return node
        return node.body if known else node.orelse


def constant(node: ast.expr) -> Any:
    """The value of a constant; `_UNKNOWN` for anything else."""
    return node.value if isinstance(node, ast.Constant) else _UNKNOWN


def decided(test: ast.expr) -> bool | None:
    """What a condition is known to be; None if it depends on the item."""
    known = constant(test)
    return None if known is _UNKNOWN else bool(known)
