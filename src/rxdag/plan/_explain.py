"""Explain: a plan as text: segments, gates and their bounds, and the branches that can stall others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from rxdag.contract import Duration, Foreign, Kernel, positive_ns
from rxdag.errors import GraphError, did_you_mean
from rxdag.graph import Edge, parameters
from rxdag.plan._domains import MAIN
from rxdag.plan._lanes import PARTED
from rxdag.plan._stalls import stalls

if TYPE_CHECKING:
    from rxdag.plan._plan import Plan

_MOST_LISTED: Final = 5


def explanation(plan: Plan, service: Mapping[str, Duration]) -> str:
    """Return a plan as text.

    Raises:
        GraphError: If a service is of no sink of the plan.
    """
    topology = plan.topology
    lines = [
        f"plan {plan.dag.name}: {_counted(len(plan.members), 'segment')} on {_counted(len(set(plan.domains.values())), 'scheduler')}"
    ]
    for number, names in plan.members.items():
        lines.append(f"segment {number}, on {_where(plan, names[0])}")
        for name in names:
            notes = _notes(plan, name)
            tail = f"  [{'; '.join(notes)}]" if notes else ""
            lines.append(f"  {name}: {parameters(topology.nodes[name])}{tail}")
    lines.append("gates" if plan.gates else "gates: none, nothing rests between nodes")
    lines += [f"  {e}: {g.overflow.value}, {g.bound} ({g.reason})" for e, g in plan.gates.items()]
    lines += [f"queue of {name}: {overflow.value}, {n:,} items" for name, (overflow, n) in plan.queues.items()]
    bursts = [n for n, k in topology.kernels.items() if not k.passes and type(k).expand is Kernel.expand]
    lines += [
        f"burst: what one input of {name} sets free rests there, and goes out before anything new comes"
        for name in bursts
    ]
    for name, node in topology.nodes.items():
        if isinstance(node.thing, Foreign):
            lines.append(f"unbounded?: {name} is a reactivex operator; what it keeps is not in the cap")
    for stall in stalls(topology, plan.gates):
        lines.append(
            f"stall: {_listed(stall.slow)} can stall {_listed(stall.others)}, behind {stall.fork}; "
            f"put .buffered(overflow=...) on the slow way if the others must not wait"
        )
    lines.append(f"cap: at most {plan.max_held:,} items in gates, queues and in flight; keyed state is not in it")
    if plan.max_bytes is not None:
        lines.append(
            f"cap: at most {plan.max_bytes:,} bytes, and an item over it for each gate, where gates are bound by bytes"
        )
    lines += _ages(plan, service)
    return "\n".join(lines)


def _listed(names: tuple[str, ...]) -> str:
    more = len(names) - _MOST_LISTED
    return " and ".join((*names[:_MOST_LISTED], f"{more:,} more") if more > 0 else names)


def _where(plan: Plan, name: str) -> str:
    domain = plan.domains[name]
    if domain != MAIN:
        return domain
    return "the event loop" if plan.needs_loop else "the caller's thread"


def _notes(plan: Plan, name: str) -> list[str]:
    notes: list[str] = []
    if name in plan.lanes.why_rows:
        notes.append(f"columns become rows: {plan.lanes.why_rows[name]}")
    if any(edge in plan.lanes.made for edge in plan.topology.into[name]):
        notes.append("rows become columns")
    if name in plan.lanes.columns:
        notes.append("columns")
    if name in plan.lanes.met:
        notes.append(f"its ways meet in order at {plan.lanes.met[name]}")
    if name in plan.lanes.parted:
        notes.append(f"gives rows: {PARTED}")
    return notes


def _ages(plan: Plan, service: Mapping[str, Duration]) -> list[str]:
    """Return the maximum age of an item when a sink has taken it, given the service times of sinks."""
    for name in service:
        if name not in plan.dag.sinks:
            raise GraphError(f'explain: service of "{name}" must be of a sink{did_you_mean(name, plan.dag.sinks)}')
    times = {name: positive_ns(each, f'explain: service of "{name}"') for name, each in service.items()}
    before: dict[str, int] = {}
    for name in plan.topology.nodes:
        kernel = plan.topology.kernels.get(name)
        if kernel is not None and kernel.releases:
            before[name] = 0  # what waits before it gives way to what is newer
            continue
        ways = [before[e.producer] + _resting(plan, e) for e in plan.topology.into[name]]
        if not ways:
            queue = plan.queues.get(name)
            ways = [(queue[1] if queue else 0) + plan.in_flight(plan.segments[name])]
        before[name] = max(ways)
    lines: list[str] = []
    paces = {slow: stall.others for stall in stalls(plan.topology, plan.gates) for slow in stall.slow}
    for name, time in times.items():
        slowest = max([time, *(times[slow] for slow, others in paces.items() if slow in times and name in others)])
        n = before[name]
        pace = f"{_ms(slowest)} each{', the slowest of those it waits for' if slowest > time else ''}"
        lines.append(
            f"age: an item is {_ms((n + 1) * slowest)} old at most when {name} has taken it ({n:,} before it, {pace}); "
            f"time in windows and other state is not in it"
        )
    return lines


def _resting(plan: Plan, edge: Edge) -> int:
    """Return the maximum number of items ahead of one that enters a gate."""
    gate = plan.gates.get(edge)
    return 0 if gate is None else gate.max_items + plan.in_flight(plan.segments[gate.edge.consumer])


def _ms(ns: int) -> str:
    """Return a bound in ms, rounded up to the microsecond."""
    return f"{-(-ns // 1000) / 1000:.12g}ms"


def _counted(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"
