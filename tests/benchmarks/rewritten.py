"""Variants of a plain loop, made of its own text, so that the two cannot drift apart."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable
from typing import Any


def over_async(loop: Callable[..., Any]) -> Callable[..., Any]:
    """Return the loop as a coroutine function that reads an async source: its outer `for` is an `async for`."""
    name, tree, outer = _parsed(loop)
    old = tree.body[0]
    assert isinstance(old, ast.FunctionDef)
    made = ast.AsyncFunctionDef(**dict(ast.iter_fields(old)))
    made.body[made.body.index(outer)] = ast.AsyncFor(**dict(ast.iter_fields(outer)))
    tree.body[0] = made
    return _compiled(loop, name, tree)


def with_first(loop: Callable[..., Any], code: str) -> Callable[..., Any]:
    """Return the loop with more to do for each item, before all else."""
    name, tree, outer = _parsed(loop)
    outer.body[:0] = ast.parse(textwrap.dedent(code)).body
    return _compiled(loop, name, tree)


def _parsed(loop: Callable[..., Any]) -> tuple[str, ast.Module, ast.For]:
    tree = ast.parse(textwrap.dedent(inspect.getsource(loop)))
    function = tree.body[0]
    assert isinstance(function, ast.FunctionDef)
    [outer] = [
        each
        for each in function.body
        if isinstance(each, ast.For) and isinstance(each.iter, ast.Name) and each.iter.id == "data"
    ]
    return function.name, tree, outer


def _compiled(loop: Callable[..., Any], name: str, tree: ast.Module) -> Callable[..., Any]:
    namespace = dict(vars(inspect.getmodule(loop)))
    exec(compile(ast.fix_missing_locations(tree), f"<{name}, rewritten>", "exec"), namespace)
    made: Callable[..., Any] = namespace[name]
    return made
