"""Renamers: a method's names become those of the loop."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from rxdag.compiler._splice import Method, own_attribute, stored_names


def is_self(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id == "self"


class Renamer(ast.NodeTransformer):
    """Puts a method's names into those of the loop.

    Args:
        own: Gives the local that stands for `self.<name>`.
        inline: Gives the tree of `self.<name>(local, ...)` where that is an expression; None where it is to be called.
        names: What stands for parameters.
        local: Gives the local that stands for a name that the method assigns.
        constant: Gives the local that stands for a global of the method's module.
        scope: Those globals.
        stored: Names that the method assigns.
    """

    def __init__(
        self,
        own: Callable[[str], str],
        inline: Callable[[str, tuple[str, ...]], ast.expr | None],
        names: dict[str, str],
        local: Callable[[str], str],
        constant: Callable[[str, Any], str],
        scope: dict[str, Any],
        stored: frozenset[str],
    ) -> None:
        self._own = own
        self._inline = inline
        self._names = names
        self._local = local
        self._constant = constant
        self._scope = scope
        self._stored = stored

    def visit_Call(self, node: ast.Call) -> ast.AST:
        own = own_attribute(node.func)
        if (
            own is not None
            and not node.keywords
            and all(isinstance(a, ast.Name) or own_attribute(a) for a in node.args)
        ):
            arguments = [self.visit(a) for a in node.args]
            if all(isinstance(a, ast.Name) for a in arguments):
                tree = self._inline(own.attr, tuple(a.id for a in arguments))
                if tree is not None:
                    return tree
        return self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if isinstance(node.value, ast.Name) and node.value.id == "self":
            return ast.Name(self._own(node.attr), node.ctx)
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id in self._names:
            return ast.parse(self._names[node.id], mode="eval").body
        if node.id in self._stored:
            return ast.Name(self._local(node.id), node.ctx)
        if node.id in self._scope:
            return ast.Name(self._constant(node.id, self._scope[node.id]), node.ctx)
        return node


class OwnerRenamer(ast.NodeTransformer):
    """Puts the names of an accumulator's method into those of the loop; `self` is the accumulator at hand."""

    def __init__(
        self,
        owner: str,
        shared: dict[str, str],
        inline: Callable[[str, tuple[str, ...]], ast.expr | None],
        names: dict[str, str],
        prefix: str,
        constant: Callable[[str, Any], str],
        method: Method,
    ) -> None:
        self._owner = owner
        self._shared = shared
        self._inline = inline
        self._names = names
        self._prefix = prefix
        self._constant = constant
        self._scope = method.scope
        self._stored = stored_names(method)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        function = node.func
        is_shared = isinstance(function, ast.Attribute) and is_self(function.value) and function.attr in self._shared
        if isinstance(function, ast.Attribute) and is_shared and len(node.args) == 1:
            argument: ast.expr = self.visit(node.args[0])
            if isinstance(argument, ast.Name):
                tree = self._inline(function.attr, (argument.id,))
                if tree is not None:
                    return tree
        return self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if is_self(node.value) and node.attr in self._shared:
            return ast.Name(self._shared[node.attr], node.ctx)
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id == "self":
            return ast.Name(self._owner, node.ctx)
        if node.id in self._names:
            return ast.parse(self._names[node.id], mode="eval").body
        if node.id in self._stored:
            return ast.Name(self._prefix + node.id, node.ctx)
        if node.id in self._scope:
            return ast.Name(self._constant(node.id, self._scope[node.id]), node.ctx)
        return node
