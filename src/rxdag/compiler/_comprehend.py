"""Comprehend: a loop without state, and without a user's functions in it, as list comprehensions."""

from __future__ import annotations

import ast
import textwrap
from dataclasses import dataclass
from typing import Any, Final

from rxdag.expressions import look_up

_PURE_CALLS: Final = ("abs", "min", "max", "int", "float", "bool")
"""What may be called in it besides: nothing is seen if it is called once more, in the loop that says which item failed."""


@dataclass(frozen=True)
class Comprehension:
    """A function (items, constants, counts) -> list, as text.

    Attributes:
        lines: Of the function.
        exit: Node and port that the list goes out of.
    """

    lines: tuple[str, ...]
    exit: tuple[str, str]


class _NotPlain(Exception):  # a finding, not a failure
    """The loop does more than make items of items."""


def comprehend(
    body: list[str], outlets: dict[str, tuple[str, str]], counts: dict[str, tuple[str, str]], constants: dict[str, Any]
) -> Comprehension | None:
    """Make comprehensions of the body of a loop; None if it is not that plain.

    Args:
        body: Its lines, of items in `x`.
        outlets: Node and port of each outlet.
        counts: Node and exit of each count.
        constants: Values by name.
    """
    if len(outlets) != 1:
        return None
    (outlet, where) = next(iter(outlets.items()))
    try:
        stages = _stages(ast.parse(textwrap.dedent("\n".join(body))).body, outlet, constants)
    except _NotPlain:
        return None
    lines = ["def fast(items, constants, counts):"]
    lines += [f"    {name} = constants[{i}]" for i, name in enumerate(constants) if any(name in line for line in body)]
    before = "items"
    for i, (text, count) in enumerate(stages):
        lines.append(f"    a{i} = {text.replace('@', before)}")
        if count is not None:
            node, exit_ = counts[count]
            lines.append(f"    counts[{node!r}, {exit_!r}] += len({before}) - len(a{i})")
        before = f"a{i}"
    lines.append(f"    return {before}")
    return Comprehension(tuple(lines), where)


def _stages(statements: list[ast.stmt], outlet: str, constants: dict[str, Any]) -> list[tuple[str, str | None]]:
    """A comprehension over "@" for each filter, with its count, and one for what is behind the last."""
    stages: list[tuple[str, str | None]] = []
    first, at, parts = "x", "x", ""
    for statement in statements:
        if isinstance(statement, ast.Assign):
            name = ast.unparse(statement.targets[0])
            parts += f" for {name} in [{_pure(statement.value, constants)}]"  # which Python makes a plain assignment
            at = name
        elif isinstance(statement, ast.If):
            count = _counted(statement)
            stages.append((f"[{at} for {first} in @{parts} if not {_pure(statement.test, constants)}]", count))
            first, parts = at, ""
        elif ast.unparse(statement) == f"{outlet}_items({at})":
            if parts:
                stages.append((_last(first, at, parts), None))
            return _merged(stages)
        else:
            break
    raise _NotPlain


def _last(first: str, at: str, parts: str) -> str:
    """The last stage; the last value need not have a name."""
    head, _, value = parts.rpartition(f" for {at} in [")
    return f"[{value[:-1]} for {first} in @{head}]"


def _merged(stages: list[tuple[str, str | None]]) -> list[tuple[str, str | None]]:
    """The last filter and what is behind it in one."""
    if len(stages) < 2 or stages[-1][1] is not None:
        return stages
    (kept, count), (made, _) = stages[-2:]
    test = kept.index(" for ")
    head, _, tail = made.partition(" for ")
    rest = tail.partition(" in @")[2]
    return [*stages[:-2], (f"{head}{kept[test:-1]}{rest}", count)]


def _counted(statement: ast.If) -> str:
    """The count of a filter: `if ...: count += 1; continue`."""
    if statement.orelse or len(statement.body) != 2 or not isinstance(statement.body[1], ast.Continue):
        raise _NotPlain
    counting = statement.body[0]
    if not isinstance(counting, ast.AugAssign) or not isinstance(counting.target, ast.Name):
        raise _NotPlain
    return counting.target.id


def _pure(value: ast.expr, constants: dict[str, Any]) -> str:
    """The text of an expression that may be evaluated again."""
    for node in ast.walk(value):
        if isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else ""
            if name not in _PURE_CALLS and constants.get(name) is not look_up:
                raise _NotPlain
    return ast.unparse(value)
