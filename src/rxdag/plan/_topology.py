"""Normalise: the dag as the passes see it: nodes in order, edges by end, a kernel of each operator to look at."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final
from weakref import WeakSet

from rxdag.contract import (
    AnyOperator,
    FanIn,
    FanInKernel,
    Foreign,
    InnerKernel,
    Kernel,
    Source,
    check_methods,
    label_of,
    on_item_parameters,
)
from rxdag.errors import CompileError, shown
from rxdag.graph import Dag, Edge, Node

_METHODS: Final = (
    "on_start",
    "on_item",
    "on_columns",
    "on_watermark",
    "on_timer",
    "on_input_end",
    "on_end",
    "release",
    "want",
    "want_from",
    "low",
    "held",
    "is_finished",
    "catches",
    "snapshot",
    "restore",
)
"""Methods that must not be coroutine or generator functions; `expand` may be."""
_CHECKED: Final[WeakSet[type[Kernel]]] = WeakSet()


@dataclass(frozen=True)
class Topology:
    """A dag, indexed.

    Attributes:
        nodes: Nodes by name, producers before consumers.
        into: Edges into each node, by input.
        out_of: Edges out of each node.
        operators: Operators with kernels, bound to their input shapes; shared by all runs of the plan.
        kernels: A kernel of each of them, for inspection; runs make their own.
    """

    nodes: dict[str, Node]
    into: dict[str, list[Edge]] = field(repr=False)
    out_of: dict[str, list[Edge]] = field(repr=False)
    operators: dict[str, Any] = field(repr=False)
    kernels: dict[str, Kernel] = field(repr=False)

    @property
    def edges(self) -> list[Edge]:
        return [edge for edges in self.into.values() for edge in edges]

    def is_choice(self, name: str) -> bool:
        """Return True if an item goes one of several ways out of a node, by its own doing."""
        return self.nodes[name].ports[:1] not in ((), ("out",)) and len({e.port for e in self.out_of[name]}) > 1

    def replays(self, name: str) -> bool:
        """Return True if a source that a node depends on is a finished recording."""
        thing = self.nodes[name].thing
        if isinstance(thing, Source):
            return thing.replays
        return any(self.replays(edge.producer) for edge in self.into[name])

    def asking_again(self) -> list[str]:
        """Return the nodes that make calls although their items are replayed, since the answers are not recorded."""
        return [
            name
            for name, kernel in self.kernels.items()
            if isinstance(kernel, InnerKernel) and kernel.asks and kernel.record is None and self.replays(name)
        ]

    def note_on_answers(self, name: str) -> str | None:
        """Return where the answers to the calls of a node are recorded or come from, for `explain()`; None for no calls."""
        kernel = self.kernels.get(name)
        if not isinstance(kernel, InnerKernel) or not kernel.asks:
            return None
        if kernel.record is not None:
            return f'answers {"come from" if self.replays(name) else "are recorded in"} "{kernel.record}"'
        return "asks again in this replay; record= keeps the answers" if self.replays(name) else None


def normalise(dag: Dag) -> Topology:
    """Index a dag, and check that every operator's kernel can be called.

    Raises:
        CompileError: If a kernel has neither an `on_item` that can be called nor an `expand`.
    """
    into: dict[str, list[Edge]] = {name: [] for name in dag.nodes}
    out_of: dict[str, list[Edge]] = {name: [] for name in dag.nodes}
    for edge in dag.edges:
        into[edge.consumer].append(edge)
        out_of[edge.producer].append(edge)
    operators: dict[str, Any] = {
        name: node.thing.bound(node.in_shape)
        for name, node in dag.nodes.items()
        if isinstance(node.thing, AnyOperator) and not isinstance(node.thing, Foreign)
    }
    kernels = {name: make_kernel(name, operator) for name, operator in operators.items()}
    problems: list[str] = []
    for name, kernel in kernels.items():
        try:
            on_item_parameters(type(kernel))
        except ValueError as error:
            if type(kernel).expand is Kernel.expand:
                problems.append(f'node "{name}": {error}')
        try:
            _check_class(type(kernel))
        except ValueError as error:
            problems.append(f'node "{name}": {error}')
    if problems:
        raise CompileError("; ".join(problems))
    return Topology(dict(dag.nodes), into, out_of, operators, kernels)


def _check_class(kind: type[Kernel]) -> None:
    """Raise GraphError if a method that a kernel's class overrides is a coroutine or generator function."""
    if kind in _CHECKED:
        return
    own = [name for name in _METHODS if getattr(kind, name, None) is not getattr(Kernel, name, None)]
    check_methods(kind, kind.__name__, own, yields="emit items by emit(item)")
    _CHECKED.add(kind)


def make_kernel(name: str, operator: Any) -> Kernel:
    """Make the kernel of a bound operator.

    Raises:
        CompileError: If the operator does not make a kernel.
    """
    kernel = operator.kernel()
    kind = FanInKernel if isinstance(operator, FanIn) else Kernel
    if not isinstance(kernel, kind):
        wanted = f"a {kind.__name__}"
        raise CompileError(f'node "{name}": {label_of(operator)}.kernel() must return {wanted}, got {shown(kernel)}')
    return kernel


def make_columns_kernel(name: str, operator: Any) -> Kernel:
    """Make the columns kernel of a bound operator.

    Raises:
        CompileError: If the operator has no such kernel.
    """
    kernel = make_kernel(name, operator).in_columns()
    if isinstance(kernel, str):
        raise CompileError(f'node "{name}": in_columns() must give a kernel again, got "{kernel}"')
    return kernel
