"""Comprehensions: runs of maps and filters that are expressions, as functions of a list."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from rxdag.expressions._plain import plain
from rxdag.expressions._reader import FieldReader, PlainReader

Step: TypeAlias = tuple[Literal["map", "filter"], Callable[[Any], Any]]
_ROWS: Final = "rows"


@dataclass(frozen=True)
class Stage:
    """A part of a run with at most one filter, so that the length of its result gives the number of items left out.

    Attributes:
        fn: List of items to list of items.
        filters: Index of its filter among the steps; None if it has none.
    """

    fn: Callable[[list[Any]], list[Any]]
    filters: int | None


def comprehend(steps: Sequence[Step]) -> tuple[int, list[Stage]]:
    """Compile the leading steps that are expressions, or functions equivalent to one, to comprehensions.

    The text is made from the trees of the expressions. A user function is read from its bytecode, and used only if the
    result compiles to the same bytecode. A stage that raises has changed nothing, so its items can be processed singly.

    Returns:
        Number of compiled steps, and the stages.
    """
    stages: list[Stage] = []
    done = 0
    while done < len(steps):
        n, stage = _stage(steps, done)
        if stage is None:
            break
        stages.append(stage)
        done += n
    return done, stages


def _stage(steps: Sequence[Step], first: int) -> tuple[int, Stage | None]:
    """Write as many steps as one comprehension takes: maps, one filter, maps."""
    constants: dict[str, Any] = {}
    generators = [ast.comprehension(_local("x0", store=True), _local(_ROWS), [], 0)]
    value: ast.expr = _local("x0")
    filters: int | None = None
    n = 0
    for index in range(first, len(steps)):
        kind, fn = steps[index]
        if kind == "filter" and filters is not None:
            break
        if not isinstance(value, ast.Name):  # Python compiles a loop over one value to an assignment
            name = f"x{len(generators)}"
            generators.append(ast.comprehension(_local(name, store=True), ast.List([value], ast.Load()), [], 0))
            value = _local(name)
        tree = _tree(fn, value.id, constants)
        if tree is None:
            break
        n += 1
        if kind == "filter":
            generators[-1].ifs.append(tree)
            filters = index
        else:
            value = tree
    if not n:
        return 0, None
    arguments = ast.arguments([], [ast.arg(_ROWS)], None, [], [], None, [])
    made = ast.Expression(ast.Lambda(arguments, ast.ListComp(value, generators)))
    fn = eval(compile(ast.fix_missing_locations(made), "<expressions>", "eval"), constants)
    return n, Stage(fn, filters)


def _local(name: str, *, store: bool = False) -> ast.Name:
    return ast.Name(name, ast.Store() if store else ast.Load())


def _tree(fn: Any, local: str, constants: dict[str, Any]) -> ast.expr | None:
    """Return the tree of a function of the item in a local; None if it has to be called."""

    def constant(name: str, value: Any) -> str:
        # By identity, since equal values may differ, as 1 and True do.
        for known, other in constants.items():
            if other is value:
                return known
        made = f"c{len(constants)}_{name}"
        constants[made] = value
        return made

    if isinstance(fn, PlainReader):
        return plain(fn.fn, (local,), constant)
    return fn.tree(local, constant) if isinstance(fn, FieldReader) else plain(fn, (local,), constant)
