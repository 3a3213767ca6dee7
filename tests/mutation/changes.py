"""The small changes that a file can have: one at a time, in its code alone."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_COMPARED: Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
_COUNTED: Final[dict[type[ast.operator], type[ast.operator]]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.FloorDiv: ast.Mult, ast.Div: ast.Mult, ast.Mod: ast.FloorDiv,
}  # fmt: skip
_CALLED: Final = {
    "min": "max",
    "max": "min",
    "any": "all",
    "all": "any",
    "bisect_left": "bisect_right",
    "bisect_right": "bisect_left",
}


@dataclass(frozen=True)
class Change:
    """A file with one place of it changed.

    Attributes:
        line: Where.
        was: The statement as it was.
        now: As it is now.
        text: The whole file.
    """

    line: int
    was: str
    now: str
    text: str


def changes_of(text: str) -> list[Change]:
    """Return all changes of a file, in order of their places."""
    tree = ast.parse(text)
    found: list[Change] = []
    for path in _places(tree, ()):
        for made in _variants(_at(tree, path)):
            changed = copy.deepcopy(tree)
            _put(changed, path, made)
            ast.fix_missing_locations(changed)
            was, now = _statement(tree, path), _statement(changed, path)
            line = next(node.lineno for node in reversed(_nodes(tree, path)) if hasattr(node, "lineno"))
            found.append(Change(line, ast.unparse(was), ast.unparse(now), ast.unparse(changed)))
    return found


Path = tuple[tuple[str, int | None], ...]


def _places(node: ast.AST, path: Path) -> Iterator[Path]:
    """Yield where code is that does something: no annotation, text, message, decorator or default."""
    if path and isinstance(node, ast.expr | ast.stmt):
        yield path
    if isinstance(node, ast.Raise | ast.Assert | ast.JoinedStr | ast.AnnAssign | ast.Import | ast.ImportFrom):
        return
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        return
    fields = (
        ("body",)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        else node._fields
    )
    for name in fields:
        value = getattr(node, name, None)
        if isinstance(value, ast.AST):
            yield from _places(value, (*path, (name, None)))
        elif isinstance(value, list):
            for i, each in enumerate(value):
                is_plain = isinstance(node, ast.Module | ast.ClassDef) and not isinstance(
                    each, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
                )
                if isinstance(each, ast.AST) and not is_plain:
                    yield from _places(each, (*path, (name, i)))


def _variants(node: ast.AST) -> Iterator[ast.AST]:
    made = copy.deepcopy(node)
    if isinstance(made, ast.Compare) and type(made.ops[0]) in _COMPARED:
        made.ops[0] = _COMPARED[type(made.ops[0])]()
        yield made
    elif isinstance(made, ast.BinOp | ast.AugAssign) and type(made.op) in _COUNTED:
        made.op = _COUNTED[type(made.op)]()
        yield made
    elif isinstance(made, ast.BoolOp):
        made.op = ast.Or() if isinstance(made.op, ast.And) else ast.And()
        yield made
    elif isinstance(made, ast.UnaryOp) and isinstance(made.op, ast.Not):
        yield made.operand
    elif isinstance(made, ast.Constant) and isinstance(made.value, bool):
        yield ast.Constant(not made.value)
    elif isinstance(made, ast.Constant) and isinstance(made.value, int):
        yield ast.Constant(made.value + 1)
    elif isinstance(made, ast.Call) and isinstance(made.func, ast.Name) and made.func.id in _CALLED:
        made.func.id = _CALLED[made.func.id]
        yield made
    elif isinstance(made, ast.If | ast.While):
        made.test = ast.UnaryOp(ast.Not(), made.test)
        yield made
    elif isinstance(made, ast.Return) and made.value is not None and not _is_none(made.value):
        yield ast.Return(ast.Constant(None))
    if _can_be_left_out(node):
        yield ast.Pass()


def _can_be_left_out(node: ast.AST) -> bool:
    if isinstance(node, ast.Assign):
        return all(isinstance(target, ast.Attribute | ast.Subscript) for target in node.targets)
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Call) and not _is_super(node.value)
    return isinstance(node, ast.AugAssign | ast.Delete)


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _is_super(call: ast.Call) -> bool:
    of = call.func.value if isinstance(call.func, ast.Attribute) else None
    return isinstance(of, ast.Call) and isinstance(of.func, ast.Name) and of.func.id == "super"


def _nodes(tree: ast.AST, path: Path) -> list[ast.AST]:
    nodes: list[ast.AST] = [tree]
    for name, i in path:
        value = getattr(nodes[-1], name)
        nodes.append(value if i is None else value[i])
    return nodes


def _at(tree: ast.AST, path: Path) -> ast.AST:
    return _nodes(tree, path)[-1]


def _put(tree: ast.AST, path: Path, made: ast.AST) -> None:
    parent, (name, i) = _at(tree, path[:-1]), path[-1]
    if i is None:
        setattr(parent, name, made)
    else:
        getattr(parent, name)[i] = made


def _statement(tree: ast.AST, path: Path) -> ast.AST:
    """Return the statement that a place is in; of one with a body its head."""
    nodes = [node for node in _nodes(tree, path) if isinstance(node, ast.stmt)]
    last = copy.deepcopy(nodes[-1])
    for name in ("body", "orelse", "finalbody", "handlers"):
        if getattr(last, name, None):
            setattr(last, name, [] if name != "body" else [ast.Expr(ast.Constant(...))])
    return last
