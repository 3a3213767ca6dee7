"""Survey: sets on the linked nodes of a run what is upstream and downstream of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rxdag.engine import (
    Gate,
    InnerNode,
    KernelNode,
    Lane,
    Limiter,
    Node,
    Point,
    Pump,
    ReleaseNode,
    Room,
    SinkNode,
    SourceNode,
    StepNode,
)
from rxdag.runtime._program import Program


def survey(program: Program) -> None:
    """Set on each node its rank, the points above it, the forks it holds back, and its room."""
    order = _ranked(program)
    _find_points_above(order)
    _find_forks_above_lanes(program, order)
    _find_rooms(order)


def _parents(node: Node) -> list[Node]:
    """Return the nodes that call a node, and the inlets of its inputs."""
    return [*node.feeders, *node.inlets] if isinstance(node, KernelNode) else node.feeders


def _ranked(program: Program) -> list[Node]:
    """Sort all nodes of the run, producers first, and set the rank and place of each."""
    order: list[Node] = []
    todo: list[Node] = list(program.pumps)
    waiting: dict[int, int] = {}
    seen: dict[int, Node] = {id(node): node for node in todo}
    while todo:
        for child in todo.pop().readers():
            waiting[id(child)] = waiting.get(id(child), 0) + 1
            if id(child) not in seen:
                seen[id(child)] = child
                todo.append(child)
    ready = [node for node in seen.values() if id(node) not in waiting]
    while ready:
        node = ready.pop()
        order.append(node)
        for child in node.readers():
            waiting[id(child)] -= 1
            if not waiting[id(child)]:
                ready.append(child)
    names = {name: i for i, name in enumerate(program.plan.topology.nodes)}
    for place, node in enumerate(order):
        node.place = place
        # Timers due at the same instant fire in the order of the graph.
        node.rank = names.get(node.name, place)
    return order


def _find_points_above(order: list[Node]) -> None:
    """Set on each node the nearest points above it."""
    above: dict[int, list[Node]] = {}
    for node in order:
        found: dict[int, Node] = {}
        for feeder in _parents(node):
            for point in [feeder] if feeder.is_point else above[id(feeder)]:
                found[id(point)] = point
        above[id(node)] = node.up = list(found.values())


def _find_forks_above_lanes(program: Program, order: list[Node]) -> None:
    """Set on points behind lanes the nodes above the lanes that must wait while the points rest.

    A lane prevents the nodes above it from being blocked. If two outputs of such a node meet again, an item on the
    other path could overtake one that rests.
    """
    lanes = [helper for helper in program.helpers.values() if isinstance(helper, Lane)]
    behind = _reached(lanes, lambda node: node.readers())
    for node in _reached(lanes, _parents).values():
        if node.is_point and len(node.readers()) > 1:
            _hold_back(node, behind, order)


def _reached(nodes: list[Any], following: Callable[[Node], list[Node]]) -> dict[int, Node]:
    """Return the nodes that are reached step by step, by id."""
    found: dict[int, Node] = {}
    todo = [each for node in nodes for each in following(node)]
    while todo:
        node = todo.pop()
        if id(node) not in found:
            found[id(node)] = node
            todo += following(node)
    return found


def _hold_back(fork: Node, behind: dict[int, Node], order: list[Node]) -> None:
    """Make points behind lanes hold back a node that reaches the same nodes by several outputs."""
    after = order[fork.place + 1 :]
    ways: dict[int, int] = {}
    """Outputs of the node that lead to each node, as a bit mask."""
    for i, child in enumerate(fork.readers()):
        ways[id(child)] = ways.get(id(child), 0) | 1 << i
    for node in after:
        for child in node.readers() if id(node) in ways else ():
            ways[id(child)] = ways.get(id(child), 0) | ways[id(node)]
    met: dict[int, int] = {}
    for node in reversed(after):
        if id(node) in ways:
            met[id(node)] = ways[id(node)]
            for child in node.readers():
                met[id(node)] |= met[id(child)]
            # More than one bit: items of another output of the fork also arrive downstream of this point.
            if isinstance(node, Point) and id(node) in behind and met[id(node)].bit_count() > 1:
                node.order.append(fork)


def _find_rooms(order: list[Node]) -> None:
    """Set on each pump, and each node that reads streams, the gates and limits downstream."""
    gates: dict[int, dict[Gate, None]] = {}
    waits: dict[int, dict[Gate, None]] = {}
    limits: dict[int, dict[Limiter, None]] = {}
    expands: dict[int, bool] = {}
    for node in reversed(order):
        # In reverse, so that the gates behind each reader are known.
        mine: dict[Gate, None] = {}
        waiting: dict[Gate, None] = {}
        wants: dict[Limiter, None] = {}
        is_many = False
        for child in node.readers():
            if isinstance(child, Gate):
                mine[child] = waiting[child] = None
            elif isinstance(child, KernelNode | SinkNode) and _limits(child):
                wants[child] = None
            mine |= gates.get(id(child), {})
            waiting |= waits.get(id(child), {})
            wants |= limits.get(id(child), {})
            is_many = is_many or expands.get(id(child), False)
        if isinstance(node, Pump):
            node.gates = list(waiting)
        room = Room(tuple(mine), tuple(wants), expands=is_many)
        if isinstance(node, SourceNode):
            node.behind = room
        elif isinstance(node, InnerNode):
            node.room = room
        if not isinstance(node, ReleaseNode | InnerNode):
            waits[id(node)] = waiting
        if isinstance(node, ReleaseNode | InnerNode | Lane):  # they accept items even without room behind them
            continue
        gates[id(node)], limits[id(node)] = mine, wants
        expands[id(node)] = is_many or (isinstance(node, StepNode) and node.expands and bool(mine or wants))


def _limits(node: Any) -> bool:
    """Return True for a node that says how many items it takes."""
    if isinstance(node, KernelNode):
        return node.has_want and not node.inlets
    return bool(node.paces or node.sink.batching is not None)
