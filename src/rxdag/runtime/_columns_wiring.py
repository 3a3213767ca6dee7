"""Wiring of columns: the nodes of a run that take columns, convert them to rows, or make them from rows."""

from __future__ import annotations

from functools import partial

from rxdag.engine import (
    LEAVINGS,
    ColumnsNode,
    GatherNode,
    Meeting,
    Node,
    RunContext,
    SourceNode,
    SplitNode,
)
from rxdag.graph import Edge
from rxdag.plan import SIDE_PORTS, Plan, make_columns_kernel


def columns_node(plan: Plan, run: RunContext, name: str) -> ColumnsNode:
    """Make the node of an operator that works on columns."""
    topology = plan.topology
    kind = SplitNode if name in plan.lanes.met else ColumnsNode
    make = partial(make_columns_kernel, name, topology.operators[name])
    return kind(name, run, topology.nodes[name].on_error, make, len(topology.into[name]))


def gather_node(plan: Plan, edge: Edge) -> GatherNode:
    """Make the node that gathers the rows of an edge into columns."""
    shape = plan.topology.nodes[edge.consumer].inputs[edge.input].shape
    return GatherNode(edge.consumer, shape.item_type, timed=shape.timed, keyed=shape.keyed)


def gives_columns(node: Node, port: str) -> bool:
    """Return True if a node emits columns on a port."""
    if port in SIDE_PORTS or port in LEAVINGS:
        return False
    if isinstance(node, SourceNode):
        return node.wants_columns
    return isinstance(node, ColumnsNode) and node.kernel.gives_columns


def let_meet(plan: Plan, nodes: dict[str, Node], name: str) -> None:
    """Link a route and the nodes on its branches to the node where the branches meet."""
    topology, end = plan.topology, plan.lanes.met[name]
    inputs: set[int] = set()
    on_ways: list[str] = []
    for edge in topology.out_of[name]:
        way = edge
        while way.consumer != end:
            on_ways.append(way.consumer)
            way = topology.out_of[way.consumer][0]
        inputs.add(way.input)
    route, meets = nodes[name], nodes[end]
    assert isinstance(route, SplitNode)
    assert isinstance(meets, ColumnsNode)
    meeting = route.met_at = Meeting(meets, frozenset(inputs))
    meets.meetings |= dict.fromkeys(inputs, meeting)
    for each in on_ways:
        on_way = nodes[each]
        assert isinstance(on_way, ColumnsNode)
        on_way.meeting = meeting
