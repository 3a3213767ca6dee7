"""Splice: a kernel's `on_item` as statements of a loop, where nothing of it is called.

The method is ordinary Python and stays the only definition: its tree is read once, its parameters and its state become
locals of the loop, `emit(...)` becomes the code of the next node, and `return emit.<exit>(item)` a count and `continue`.
"""

from __future__ import annotations

import ast
import functools
import inspect
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from weakref import WeakKeyDictionary

from rxdag.contract import Kernel, Splitter, on_item_parameters

EXITS: Final = ("filtered", "dropped", "late", "unassigned", "unrouted")
_PLAIN: Final = (
    ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Expr, ast.If, ast.For, ast.Return, ast.Raise, ast.Pass, ast.Delete,
)  # fmt: skip
_DEEPEST: Final = 3


class NotSpliced(Exception):  # a finding, not a failure
    """Why a kernel is called instead; the message says which line prevents it."""


@dataclass(frozen=True, eq=False)
class Method:
    """A function's tree and where its names come from.

    Attributes:
        body: Its statements, without the docstring.
        parameters: Names of its parameters, `self` included.
        scope: Its module's globals.
    """

    body: tuple[ast.stmt, ...]
    parameters: tuple[str, ...]
    scope: dict[str, Any]


@functools.lru_cache(maxsize=1024)
def read(function: Callable[..., Any]) -> Method:
    """Read a function's tree.

    Raises:
        NotSpliced: If its source is not to be had, or it closes over variables.
    """
    if getattr(function, "__closure__", None):
        raise NotSpliced(f"{function.__name__} closes over variables")
    try:
        text = textwrap.dedent(inspect.getsource(function))
        tree = ast.parse(text)
    except (OSError, TypeError, SyntaxError):
        raise NotSpliced(f"the source of {getattr(function, '__name__', function)} is not to be had") from None
    found = tree.body[0]
    if not isinstance(found, ast.FunctionDef) or found.decorator_list:
        raise NotSpliced(f"{getattr(function, '__name__', function)} is no plain function")
    arguments = found.args
    if arguments.vararg or arguments.kwarg or arguments.kwonlyargs or arguments.defaults:
        raise NotSpliced(f"{found.name} has parameters with defaults, or any number of them")
    body = found.body
    if isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
        body = body[1:]
    names = tuple(a.arg for a in (*arguments.posonlyargs, *arguments.args))
    return Method(tuple(body), names, function.__globals__)


_assigned: WeakKeyDictionary[type[Kernel], frozenset[str]] = WeakKeyDictionary()
_gives_out: WeakKeyDictionary[type[Kernel], bool] = WeakKeyDictionary()


def assigned(kernel: type[Kernel]) -> frozenset[str]:
    """Attributes that a kernel's methods, other than `__init__`, assign: they change while it runs."""
    if kernel not in _assigned:
        _assigned[kernel] = _find_assigned(kernel)
    return _assigned[kernel]


def _find_assigned(kernel: type[Kernel]) -> frozenset[str]:
    names: set[str] = set()
    for cls in kernel.__mro__:
        if cls is Kernel or cls is object:
            continue
        for value in vars(cls).values():
            if not inspect.isfunction(value) or value.__name__ == "__init__":
                continue
            try:
                method = read(value)
            except NotSpliced:
                names.add("*")
                continue
            for statement in method.body:
                found = (own_attribute(n) for n in ast.walk(statement))
                names |= {n.attr for n in found if n is not None and isinstance(n.ctx, ast.Store)}
    return frozenset(names)


def own_attribute(node: ast.AST) -> ast.Attribute | None:
    """The node if it is `self.<name>`."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self":
        return node
    return None


def why_not(kernel: Kernel) -> str | None:
    """Why a kernel's `on_item` cannot be spliced; None if it can."""
    try:
        check(kernel)
    except NotSpliced as reason:
        return str(reason)
    return None


def check(kernel: Kernel) -> None:
    """Raise NotSpliced if the kernel must be called."""
    kind = type(kernel)
    for name in (
        "want",
        "is_finished",
        "expand",
        "on_start",
        "on_timer",
        "low",
        "on_input_end",
        "catches",
        "want_from",
        "release",
    ):
        if getattr(kind, name) is not getattr(Kernel, name):
            raise NotSpliced(f"it has {name}")
    if kernel.timer is not None:
        raise NotSpliced("it sets a timer")
    names = on_item_parameters(kind)
    if "input" in names:
        raise NotSpliced("on_item looks at its input")
    if "now" in names:
        raise NotSpliced("on_item looks at the clock")
    if "*" in assigned(kind):
        raise NotSpliced("the source of one of its methods is not to be had")
    if isinstance(kernel, Splitter):  # a route: its conditions are written out
        return
    method = read(kind.on_item)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownArgumentType]  # on_item_parameters has looked
    if not stored_names(method).isdisjoint(method.parameters):
        raise NotSpliced("on_item assigns a parameter")
    _check_block(kind, method.body, top=True)
    _check_calls(kind, method.body)


def _check_block(kind: type[Kernel], body: tuple[ast.stmt, ...] | list[ast.stmt], *, top: bool = False) -> None:
    """Check that control leaves only where a loop can say so."""
    for i, statement in enumerate(body):
        if not isinstance(statement, _PLAIN):
            raise NotSpliced(f"line {statement.lineno} of on_item: {type(statement).__name__.lower()} is not spliced")
        if is_emit(statement):
            rest = body[i + 1 :]
            if not top or any(not _is_bare_return(s) for s in rest):
                raise NotSpliced(f"line {statement.lineno} of on_item: emit must be the last thing that happens")
        if isinstance(statement, ast.If):
            _check_block(kind, statement.body)
            _check_block(kind, statement.orelse)
        elif isinstance(statement, ast.For):
            if (
                any(isinstance(n, ast.Return) or _names_emit(n) for n in ast.walk(statement))
                or statement.orelse
                or _calls_methods(kind, statement)
            ):
                raise NotSpliced(f"line {statement.lineno} of on_item: a loop with a way out of it")
        elif isinstance(statement, ast.Return):
            if statement.value is not None and not _is_none(statement.value) and exit_of(statement) is None:
                raise NotSpliced(f"line {statement.lineno} of on_item: must return nothing or emit.<exit>(item)")
        else:
            for node in ast.walk(statement):
                if isinstance(node, ast.Lambda | ast.NamedExpr | ast.Yield | ast.Await):
                    raise NotSpliced(
                        f"line {statement.lineno} of on_item: {type(node).__name__.lower()} is not spliced"
                    )


def _check_calls(kind: type[Kernel], body: tuple[ast.stmt, ...]) -> None:
    """Check that own methods are called as statements only, where the state can be spilled around them."""
    seen = _method_uses(kind, body)
    if seen:
        raise NotSpliced(f"line {seen[0]} of on_item: a method of its own inside an expression")


def _method_uses(kind: type[Any], body: tuple[ast.stmt, ...] | list[ast.stmt]) -> list[int]:
    """Lines where a method is used other than as `self.m(...)` or `x = self.m(...)`."""
    out: list[int] = []
    for statement in body:
        value = statement.value if isinstance(statement, ast.Expr | ast.Assign) else None
        direct = own_attribute(value.func) if isinstance(value, ast.Call) else None
        inner: list[ast.stmt] = []
        if isinstance(statement, ast.If | ast.For):
            inner = [*statement.body, *statement.orelse]
            out += _method_uses(kind, inner)
        skipped = {id(n) for s in inner for n in ast.walk(s)}
        for node in ast.walk(statement):
            own = own_attribute(node)
            if own is None or own is direct or id(node) in skipped:
                continue
            if inspect.isfunction(getattr(kind, own.attr, None)):
                out.append(statement.lineno)
    return out


def _names_emit(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id == "emit"


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _is_bare_return(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Return) and (statement.value is None or _is_none(statement.value))


def is_emit(statement: ast.stmt) -> bool:
    """True for `emit(...)`."""
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Call)
        and isinstance(statement.value.func, ast.Name)
        and statement.value.func.id == "emit"
    )


def exit_of(statement: ast.stmt) -> ast.Call | None:
    """The call of `return emit.<exit>(...)`; None for anything else."""
    if not isinstance(statement, ast.Return) or not isinstance(statement.value, ast.Call):
        return None
    call = statement.value
    if isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name) and call.func.value.id == "emit":
        return call if call.func.attr in (*EXITS, "to") else None
    return None


def attribute_of(call: ast.Call) -> str:
    """The name of the method that is called."""
    return call.func.attr if isinstance(call.func, ast.Attribute) else ""


def emit_call(statement: ast.stmt) -> ast.Call | None:
    """The call of `emit.<what>(...)` as a statement; None for anything else."""
    value = statement.value if isinstance(statement, ast.Expr) else None
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and _names_emit(value.func.value):
        return value
    return None


def gives_out(kernel: type[Kernel]) -> bool:
    """True if a kernel may emit when no item is at hand: at a watermark or at the end."""
    if kernel not in _gives_out:
        _gives_out[kernel] = _may_give_out(kernel)
    return _gives_out[kernel]


def _may_give_out(kernel: type[Kernel]) -> bool:
    if kernel.on_watermark is Kernel.on_watermark and kernel.on_end is Kernel.on_end:
        return False
    for cls in kernel.__mro__:
        if cls is Kernel or cls is object:
            continue
        for name, value in vars(cls).items():
            if not inspect.isfunction(value) or name == "on_item":
                continue
            try:
                body = read(value).body
            except NotSpliced:
                return True
            if any(isinstance(n, ast.Call) and _calls_emit(n) for s in body for n in ast.walk(s)):
                return True
    return False


def _calls_emit(call: ast.Call) -> bool:
    function = call.func
    if isinstance(function, ast.Attribute):
        return _names_emit(function.value) and function.attr in ("many", "to", "made")
    return _names_emit(function)


@functools.lru_cache(maxsize=1024)
def stored_names(method: Method) -> frozenset[str]:
    """Names that a method assigns."""
    return frozenset(
        n.id for s in method.body for n in ast.walk(s) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
    )


def inlinable(function: Callable[..., Any], owner: type[Any], depth: int) -> Method | None:
    """The tree of a helper that can stand where it is called; else None.

    It must have plain statements, no return, no emit, and call methods of its own as statements outside loops only.
    """
    if depth >= _DEEPEST:
        return None
    try:
        method = read(function)
    except NotSpliced:
        return None
    for statement in method.body:
        for node in ast.walk(statement):
            if isinstance(node, ast.Return | ast.Yield | ast.Await | ast.Lambda | ast.NamedExpr | ast.Try | ast.With):
                return None
            if isinstance(node, ast.While | ast.FunctionDef | ast.Continue | ast.Break) or _names_emit(node):
                return None
            if isinstance(node, ast.For) and _calls_methods(owner, node):
                return None
    return (
        None if _method_uses(owner, method.body) or not stored_names(method).isdisjoint(method.parameters) else method
    )


def _calls_methods(owner: type[Any], tree: ast.AST) -> bool:
    """True if a method of the owner is used in the tree."""
    own = (own_attribute(node) for node in ast.walk(tree))
    return any(a is not None and inspect.isfunction(getattr(owner, a.attr, None)) for a in own)
