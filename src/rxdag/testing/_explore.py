"""Exploring: many seeds of one dag, and the laws that must hold for all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from rxdag.contract import (
    Duration,
    FanIn,
    Foreign,
    InnerKernel,
    Kernel,
    Overflow,
    Sink,
    Source,
    on_item_parameters,
    releases,
    whole,
)
from rxdag.errors import GraphError, shown
from rxdag.graph import Dag, SinkNode
from rxdag.plan import Plan, Topology, compile
from rxdag.runtime import planned
from rxdag.testing._check import LawBroken
from rxdag.testing._simulate import MAX_STEPS, Simulation, changed, drawn, run, simulate
from rxdag.testing.faults import Fault


@dataclass(frozen=True)
class Exploration:
    """The summary of an exploration.

    Attributes:
        seeds: Number of seeds.
        ends: How often runs ended in each state.
        faults: How often each kind of fault was tried; "none" for runs without a fault.
        compared: Sinks whose items were compared with those of the plain run.
    """

    seeds: int
    ends: dict[str, int]
    faults: dict[str, int]
    compared: tuple[str, ...]


def explore(
    what: Dag | Plan | SinkNode[Any, Any] | Callable[[], Dag],
    /,
    *,
    seeds: int = 1000,
    start: int = 0,
    faults: bool = True,
    inputs: Mapping[str, Source[Any]] | None = None,
    service: Mapping[str, Duration] | None = None,
    until: Duration | None = None,
    compare: Literal["auto", "exact", "multiset", "none"] = "auto",
    max_steps: int = MAX_STEPS,
) -> Exploration:
    """Simulate a dag with many seeds, and check the laws of every run.

    The laws: the books balance; no gate exceeds its bound, and all gates together do not exceed the cap of `explain()`;
    every run ends; each sink receives the items of a plain run, on rows and in order: all of them, or a prefix if a
    fault ended the run.

    Args:
        what: A sink, a Dag, a Plan, or a function that creates a Dag for each run, if sources can be read only once.
        seeds: Number of runs.
        start: The first seed.
        faults: True to inject a fault into most runs: a node that raises, a source that is lost, a sink that is slow, a
            cancel or a drain at any point, a wall clock that jumps.
        inputs: Replacement sources, by name.
        service: Time that a sink needs per item, by sink name.
        until: Drain at this time, for dags that do not end.
        compare: How to compare sinks with the plain run: "exact" in order, "multiset" in any order, "none" not at all.
            "auto" compares in order, except sinks fed by several streams, or behind nodes that drop, conflate or use
            the clock.
        max_steps: A run with more steps counts as one that does not end.

    Raises:
        LawBroken: At the first run that breaks a law; the message says how to repeat it.

    Example:
        >>> out = (
        ...     rxdag.from_source(sources.range(20))
        ...     .pipe(ops.map(lambda x: -x))
        ...     .buffered(max_items=3)
        ...     .to(sinks.collect())
        ... )
        >>> testing.explore(out, seeds=50).seeds
        50
    """
    seeds = whole(seeds, "explore: seeds", least=1)
    make = _maker(what)
    how: dict[str, Any] = {"inputs": inputs, "service": service, "until": until, "max_steps": max_steps}
    plain = compile(make(), columns=False)
    expected = run(plain, **how)
    orders = {name: _order(plain.topology, name) if compare == "auto" else compare for name in plain.dag.sinks}
    plans = (
        {lane: compile(make(), columns=lane) for lane in (True, False)}
        if isinstance(what, Dag | Plan | SinkNode)
        else {}
    )
    ends: dict[str, int] = {}
    tried: dict[str, int] = {}
    for seed in range(start, start + seeds):
        columns = seed % 3 != 0
        base = plans[columns] if plans else compile(make(), columns=columns)
        wrong = drawn(base, seed) if faults else ()
        dag = changed(base.dag, inputs or {}, service or {}, wrong)
        if dag is not base.dag:
            base = compile(dag, columns=columns)
        simulation = simulate(base, seed=seed, faults=wrong, until=until, max_steps=max_steps)
        _compare(simulation, expected, orders)
        ends[simulation.result.state] = ends.get(simulation.result.state, 0) + 1
        for kind in [fault.kind for fault in simulation.faults] or ["none"]:
            tried[kind] = tried.get(kind, 0) + 1
    return Exploration(seeds, ends, tried, tuple(name for name, order in orders.items() if order != "none"))


def _maker(what: Any) -> Callable[[], Dag]:
    if isinstance(what, Dag | Plan) or hasattr(what, "node"):
        dag = planned((what,), "explore").dag
        return lambda: dag
    if not callable(what):
        raise GraphError(f"explore: takes a sink, a Dag, a Plan, or a function that makes a Dag, got {shown(what)}")
    return cast("Callable[[], Dag]", what)  # its result shows when it is called


def _order(topology: Topology, sink: str) -> str:
    """Return how to compare a sink with the plain run."""
    todo, seen = [sink], {sink}
    while todo:
        name = todo.pop()
        if _is_free(topology, name):
            return "none"
        for edge in topology.into[name]:
            if edge.boundary is not None and edge.boundary.overflow is not Overflow.BLOCK:
                return "none"
            if edge.producer not in seen:
                seen.add(edge.producer)
                todo.append(edge.producer)
    return "exact"


def _is_free(topology: Topology, name: str) -> bool:
    """Return True if the outputs of a node may depend on timing."""
    thing = topology.nodes[name].thing
    if isinstance(thing, Source):
        return thing.queues or thing.where == "async"
    kernel = topology.kernels.get(name)
    if isinstance(thing, Sink) or kernel is None:
        return isinstance(thing, Foreign)
    if isinstance(thing, FanIn) or isinstance(kernel, InnerKernel) or releases(kernel):
        return True
    kind = type(kernel)
    if kind.expand is not Kernel.expand:
        return False
    if "now" in on_item_parameters(kind):
        return True
    looks = kind.on_timer is not Kernel.on_timer or kind.want is not Kernel.want
    return looks and not isinstance(thing, Foreign) and thing.clock_for(topology.nodes[name].in_shape) == "processing"


def _compare(simulation: Simulation, expected: Simulation, orders: Mapping[str, str]) -> None:
    kinds = {fault.kind for fault in simulation.faults}
    state = simulation.result.state
    if "drains" in kinds or ("raises" in kinds and state == "completed"):
        return  # operators may then emit held items, or leave one out
    is_whole = state == "completed"
    for name, order in orders.items():
        got, whole = simulation.outputs[name], expected.outputs[name]
        if order == "exact":
            good = got == whole if is_whole else got == whole[: len(got)]
        elif order == "multiset":
            good = not _left_over(got, whole) and (not is_whole or len(got) == len(whole))
        else:
            continue
        if not good:
            at = next(
                (i for i, (a, b) in enumerate(zip(got, whole, strict=False)) if a != b), min(len(got), len(whole))
            )
            raise LawBroken(
                f'seed {simulation.seed}: sink "{name}" got {len(got):,} items where a plain run gives {len(whole):,}; they '
                f"differ at {at}: {shown(got[at : at + 3])} and {shown(whole[at : at + 3])} {_again(simulation)}"
            )


def _left_over(got: list[Any], whole: list[Any]) -> list[Any]:
    left = list(whole)
    over: list[Any] = []
    for item in got:
        if item in left:
            left.remove(item)
        else:
            over.append(item)
    return over


def _again(simulation: Simulation) -> str:
    faults: tuple[Fault, ...] = simulation.faults
    return f"[testing.run(..., seed={simulation.seed}{f', faults={list(faults)!r}' if faults else ''})]"
