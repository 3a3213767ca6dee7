"""Plain functions: user functions that are one expression of their parameters, read as a tree.

They are read from bytecode, so it does not matter where they were written. The result is compiled again, and used only
if it gives the same instructions; it is therefore equivalent to the function under any version of Python.
"""

from __future__ import annotations

import ast
import dis
import inspect
import sys
from collections.abc import Callable
from types import CodeType, FunctionType
from typing import Any, Final

_MOST: Final = 48
"""Longest function that is read, in bytecode instructions."""
_OTHER: Final = (
    inspect.CO_VARARGS
    | inspect.CO_VARKEYWORDS
    | inspect.CO_GENERATOR
    | inspect.CO_COROUTINE
    | inspect.CO_ASYNC_GENERATOR
)
_SKIPPED: Final = ("COPY_FREE_VARS", "RESUME", "NOP", "CACHE", "NOT_TAKEN", "TO_BOOL")
_LOAD: Final = ast.Load()
_LOADING: Final = ("LOAD_FAST", "LOAD_FAST_BORROW", "LOAD_DEREF", "LOAD_GLOBAL")
_UNARY: Final[dict[str, type[ast.unaryop]]] = {
    "UNARY_NEGATIVE": ast.USub,
    "UNARY_INVERT": ast.Invert,
    "UNARY_NOT": ast.Not,
}
_BINARY: Final[dict[str, type[ast.operator]]] = {
    "+": ast.Add,
    "-": ast.Sub,
    "*": ast.Mult,
    "/": ast.Div,
    "//": ast.FloorDiv,
    "%": ast.Mod,
    "**": ast.Pow,
    "<<": ast.LShift,
    ">>": ast.RShift,
    "&": ast.BitAnd,
    "|": ast.BitOr,
    "^": ast.BitXor,
    "@": ast.MatMult,
}
_COMPARE: Final[dict[str, type[ast.cmpop]]] = {
    "<": ast.Lt,
    "<=": ast.LtE,
    "==": ast.Eq,
    "!=": ast.NotEq,
    ">": ast.Gt,
    ">=": ast.GtE,
}
_JOINING: Final[dict[tuple[str, ...], type[ast.boolop]]] = {
    ("JUMP_IF_FALSE_OR_POP",): ast.And,
    ("JUMP_IF_TRUE_OR_POP",): ast.Or,
    ("COPY", "POP_JUMP_IF_FALSE", "POP_TOP"): ast.And,  # from Python 3.12 on
    ("COPY", "POP_JUMP_IF_TRUE", "POP_TOP"): ast.Or,
}
_BRANCHING: Final = ("POP_JUMP_FORWARD_IF_FALSE", "POP_JUMP_IF_FALSE")


class _NotPlain(Exception):  # a signal, not a failure
    """The function does more than make a value of its parameters."""


def plain(fn: object, arguments: tuple[str, ...], constant: Callable[[str, Any], str]) -> ast.expr | None:
    """Return a function of one expression as a tree over the given locals; None if it must be called.

    The function may read parameters, constants, globals and closure variables, with their attributes and items,
    compute, compare and choose, but not call. While a debugger or coverage tool is active, all functions are called.

    Args:
        fn: The user's function.
        arguments: Names of the locals that are its arguments.
        constant: Returns the name of the local that holds a value.
    """
    if type(fn) is not FunctionType or fn.__defaults__ or fn.__kwdefaults__ or is_traced():
        return None
    code, count = fn.__code__, len(arguments)
    is_fitting = code.co_argcount == count == code.co_nlocals and not code.co_flags & _OTHER
    if not is_fitting or code.co_cellvars or code.co_exceptiontable:
        return None
    parameters, outer = code.co_varnames[:count], code.co_freevars
    try:
        instructions = [i for i in dis.get_instructions(code) if i.opname not in _SKIPPED]
        if len(instructions) > _MOST:
            return None
        tree = _value(instructions, 0)
        again = _code(f"lambda {', '.join(outer)}: lambda {', '.join(parameters)}: {ast.unparse(tree)}")
    except (_NotPlain, SyntaxError, ValueError):  # ValueError for ints with too many digits to print
        return None
    if _told(again) != _told(code):
        return None
    names: dict[str, ast.expr] = {p: ast.Name(a, _LOAD) for p, a in zip(parameters, arguments, strict=True)}
    for name, cell in zip(outer, fn.__closure__ or (), strict=True):
        # Read at each call, since closure variables and globals may change.
        names[name] = ast.Attribute(ast.Name(constant("cell", cell), _LOAD), "cell_contents", _LOAD)
    for name in {i.argval for i in instructions if i.opname == "LOAD_GLOBAL"}:
        if name not in fn.__globals__:
            return None
        names[name] = ast.Subscript(ast.Name(constant("globals", fn.__globals__), _LOAD), ast.Constant(name), _LOAD)
    return _Renamed(names).visit(tree)  # type: ignore[no-any-return]


def _code(text: str) -> CodeType:
    """Return the code of the inner one of two lambdas."""
    code: CodeType = compile(text, "<again>", "eval")
    for _ in (1, 2):
        code = next(c for c in code.co_consts if isinstance(c, CodeType))
    return code


class _Renamed(ast.NodeTransformer):
    def __init__(self, names: dict[str, ast.expr]) -> None:
        self._names = names

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self._names[node.id]


def is_traced() -> bool:
    """Return True while a debugger or a coverage tool traces calls."""
    if sys.gettrace() is not None:
        return True
    monitoring = getattr(sys, "monitoring", None)
    return monitoring is not None and any(
        monitoring.get_tool(i) for i in (monitoring.DEBUGGER_ID, monitoring.COVERAGE_ID)
    )


def _told(code: CodeType) -> list[tuple[str, object]]:
    """Return the instructions with constants and names looked up."""
    return [
        (i.opname, _exactly(i.argval) if i.opname.endswith("CONST") else (i.argval, i.arg))
        for i in dis.get_instructions(code)
    ]


def _exactly(value: Any) -> object:
    """Return a value that is equal only for the same constant: 1, True and 1.0 differ."""
    if isinstance(value, tuple):
        return tuple(_exactly(v) for v in value)  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, frozenset):
        return frozenset(_exactly(v) for v in value)  # pyright: ignore[reportUnknownVariableType]
    return type(value).__name__, repr(value)


def _value(code: list[dis.Instruction], at: int) -> ast.expr:
    """Return the tree of the value returned by the instructions from there on, where the stack is empty."""
    stack: list[ast.expr] = []
    joins: list[tuple[int, ast.boolop, ast.expr]] = []
    while at < len(code):
        i = code[at]
        # Here an `and` or `or` ends: its right operand is on the stack.
        while joins and joins[-1][0] == i.offset:
            if not stack:
                raise _NotPlain
            _, op, first = joins.pop()
            rest = stack.pop()
            values = rest.values if isinstance(rest, ast.BoolOp) and type(rest.op) is type(op) else [rest]
            stack.append(ast.BoolOp(op, [first, *values]))
        if i.opname in ("RETURN_VALUE", "RETURN_CONST"):
            if i.opname == "RETURN_CONST":
                stack.append(_constant(i.argval))
            if len(stack) != 1 or joins:
                raise _NotPlain
            return stack[0]
        if i.opname in _BRANCHING and len(stack) == 1 and not joins:
            return ast.IfExp(stack.pop(), _value(code, at + 1), _value(code, _ahead(code, at)))
        joining = next((names for names in _JOINING if _are(code, at, names)), None)
        if joining is not None and stack:
            # The jump is the only instruction, or the middle one of three.
            target = code[at + len(joining) // 2].argval
            joins.append((target, _JOINING[joining](), stack.pop()))
            at += len(joining)
        elif i.opname == "JUMP_FORWARD" and not joins:
            at = _ahead(code, at)
        else:
            _push(stack, i)
            at += 1
    raise _NotPlain


def _are(code: list[dis.Instruction], at: int, names: tuple[str, ...]) -> bool:
    return tuple(i.opname for i in code[at : at + len(names)]) == names


def _ahead(code: list[dis.Instruction], at: int) -> int:
    """Return the target of a jump, which must be a forward one."""
    for k in range(at + 1, len(code)):
        if code[k].offset == code[at].argval:
            return k
    raise _NotPlain


def _push(stack: list[ast.expr], i: dis.Instruction) -> None:
    """Apply an instruction to trees instead of values."""
    name = i.opname

    def pop(n: int) -> list[ast.expr]:
        if len(stack) < n:
            raise _NotPlain
        taken = stack[len(stack) - n :]
        del stack[len(stack) - n :]
        return taken

    if name in _LOADING:
        stack.append(ast.Name(i.argval, _LOAD))
    elif name in ("LOAD_FAST_LOAD_FAST", "LOAD_FAST_BORROW_LOAD_FAST_BORROW"):
        stack.extend(ast.Name(each, _LOAD) for each in i.argval)
    elif name in ("LOAD_CONST", "LOAD_SMALL_INT"):
        stack.append(_constant(i.argval))
    elif name == "LOAD_ATTR":
        stack.append(ast.Attribute(pop(1)[0], i.argval, _LOAD))
    elif name in _UNARY:
        stack.append(ast.UnaryOp(_UNARY[name](), pop(1)[0]))
    elif name == "BINARY_SUBSCR" or (name == "BINARY_OP" and i.argrepr == "[]"):
        of, at = pop(2)
        if _may_warn(of, at):
            raise _NotPlain
        stack.append(ast.Subscript(of, at, _LOAD))
    elif name == "BINARY_OP" and i.argrepr in _BINARY:
        left, right = pop(2)
        stack.append(ast.BinOp(left, _BINARY[i.argrepr](), right))
    elif name == "COMPARE_OP" and i.argval in _COMPARE:
        left, right = pop(2)
        stack.append(ast.Compare(left, [_COMPARE[i.argval]()], [right]))
    elif name in ("IS_OP", "CONTAINS_OP"):
        left, right = pop(2)
        if name == "IS_OP" and (_is_literal(left) or _is_literal(right)):
            raise _NotPlain  # compiling it again would warn
        yes, no = (ast.Is, ast.IsNot) if name == "IS_OP" else (ast.In, ast.NotIn)
        stack.append(ast.Compare(left, [no() if i.arg else yes()], [right]))
    elif name == "BUILD_TUPLE":
        stack.append(ast.Tuple(pop(i.arg or 0), _LOAD))
    elif name == "BUILD_LIST":
        stack.append(ast.List(pop(i.arg or 0), _LOAD))
    else:
        raise _NotPlain


def _is_literal(tree: ast.expr) -> bool:
    """Return True for literals, but for None, True, False and ..., each of which is one object."""
    if isinstance(tree, ast.Constant):
        return tree.value is not None and tree.value is not ... and not isinstance(tree.value, bool)
    return isinstance(tree, ast.Tuple | ast.List | ast.Set)


def _may_warn(of: ast.expr, at: ast.expr) -> bool:
    """Return True if compiling a subscript may warn: warnings can be caught only for the whole process."""
    if isinstance(of, ast.Constant) and not isinstance(of.value, str | bytes | tuple):
        return True
    return isinstance(of, ast.Set) or (_is_literal(of) and (isinstance(at, ast.Constant) or _is_literal(at)))


def _constant(value: Any) -> ast.expr:
    if isinstance(value, frozenset):  # written in braces, and folded again
        return ast.Set([ast.Constant(v) for v in value])  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return ast.Constant(value)
