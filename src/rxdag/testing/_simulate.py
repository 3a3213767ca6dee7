"""Simulations: a whole dag in virtual time, every free choice drawn from a seed."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final, TypeVar, overload

from rxdag.contract import AnyOperator, Duration, Foreign, Sink, Source, duration_ns
from rxdag.engine import LEAVINGS, ColumnsNode
from rxdag.errors import GraphError, did_you_mean, shown
from rxdag.graph import Dag, SinkNode
from rxdag.plan import Plan, compile
from rxdag.runtime import Execution, RunResult, planned, stop_after
from rxdag.testing._check import LawBroken
from rxdag.testing._faulty_ends import LostSource, SlowSink
from rxdag.testing._recording import Trace
from rxdag.testing._seeded import SeededExecution
from rxdag.testing._stepping import Seen, VirtualRun, check_inputs
from rxdag.testing.faults import Fault, cancels, drains, jumps, loses, raises, slows

T = TypeVar("T")

MAX_STEPS: Final = 1_000_000


@dataclass(frozen=True)
class Simulation:
    """The outcome of a simulated run.

    Attributes:
        seed: Seed of the run.
        faults: Faults that were injected.
        result: Result of the run, with the books.
        outputs: Items received by each sink, by name; and items that left by a port without readers, by node and
            port: "bars.late", "parse.dead". Ports dropped, unassigned and unrouted of nodes on columns are left out.
        high_water: Highest number of items in each gate, by edge.
        dropped: Items dropped by gates, by edge.
        peak: Highest number of items in all gates together.
        cap: Maximum number of items in gates, queues and in flight, as in `explain()`.
        trace: Signals of gates and queues.
        now: Virtual time at the end, ns.
    """

    seed: int
    faults: tuple[Fault, ...]
    result: RunResult = field(repr=False)
    outputs: dict[str, list[Any]] = field(repr=False)
    high_water: dict[str, int]
    dropped: dict[str, int]
    peak: int
    cap: int
    trace: Trace = field(repr=False)
    now: int

    @property
    def error(self) -> Exception | None:
        """Return the error of a failed run, else None."""
        return self.result.error

    @overload
    def __getitem__(self, sink: SinkNode[T, Any]) -> list[T]: ...
    @overload
    def __getitem__(self, sink: str) -> list[Any]: ...
    def __getitem__(self, sink: SinkNode[Any, Any] | str) -> list[Any]:
        """Return the items received by a sink.

        Raises:
            GraphError: If there is no sink of that name.
        """
        if isinstance(sink, str):
            if sink not in self.outputs:
                raise GraphError(f'simulation: has no sink "{sink}"{did_you_mean(sink, self.outputs)}')
            return self.outputs[sink]
        for name, node in self.result.dag.nodes.items():
            if node.identity is sink.node.identity:
                return self.outputs[name]
        raise GraphError(f"simulation: has no such sink, got {shown(sink)}")


def run(
    *what: Dag | Plan | SinkNode[Any, Any],
    replace: Mapping[str, Source[Any] | Sink[Any, Any]] | None = None,
    inputs: Mapping[str, Source[Any]] | None = None,
    service: Mapping[str, Duration] | None = None,
    seed: int = 0,
    faults: Sequence[Fault] | bool = (),
    until: Duration | None = None,
    max_steps: int = MAX_STEPS,
) -> Simulation:
    """Run a whole dag in virtual time, with every free choice drawn from a seed.

    The run is on this thread. The seed decides which pump goes next, which of several timers of one instant fires
    first, how many items move at once, when tasks get their turn, and random delays. A seed therefore stands for one
    interleaving of threads and tasks; the same seed gives the same bytes.

    Args:
        what: Sinks, or one Dag, or one Plan.
        replace: Replacement sources or sinks, by name.
        inputs: Replacement sources by name, such as `testing.timeline(...)`.
        service: Time that a sink needs per item, by sink name.
        seed: Seed of all free choices.
        faults: Faults to inject, from `testing.faults`; True for one drawn from the seed.
        until: Drain at this time.
        max_steps: A run with more scheduler steps counts as one that does not end.

    Raises:
        LawBroken: If the books do not balance, a gate exceeds its bound, or the run does not end; names the seed.
        GraphError: If a name is unknown, or a fault is not possible there.

    Example:
        >>> out = (
        ...     rxdag.from_source(sources.range(3), name="numbers")
        ...     .buffered(max_items=2)
        ...     .to(sinks.collect(), name="out")
        ... )
        >>> sim = testing.run(out, service={"out": "2.5ms"}, seed=7)
        >>> sim.outputs["out"], sim.now
        ([0, 1, 2], 7500000)
        >>> testing.run(out, faults=[testing.faults.loses("numbers", item=2)]).outputs["out"]
        [0, 1]
    """
    plan = planned(what, "testing.run")
    check_inputs(plan.dag, inputs or (), "testing.run")
    chosen = drawn(plan, seed) if faults is True else tuple(faults or ())
    dag = changed(plan.dag, {**(replace or {}), **(inputs or {})}, service or {}, chosen)
    if dag is not plan.dag:
        plan = compile(dag)
    return simulate(plan, seed=seed, faults=chosen, until=until, max_steps=max_steps)


def simulate(plan: Plan, *, seed: int, faults: tuple[Fault, ...], until: Duration | None, max_steps: int) -> Simulation:
    """Run a plan, whose sources and sinks have their faults already; see `run`."""
    dag = plan.dag
    execution = SeededExecution(plan, seed=seed, faults=_of_operators(faults, dag), max_steps=max_steps)
    stop_after(execution, until, is_background=False)
    # The extremes: the event loop gets a turn after each step, or only when no step is left.
    virtual = VirtualRun(execution, {}, slice_s=Random(seed).choice((0.0, float("inf"))))
    trace = Trace(virtual)
    unread = _unread(execution)
    with _jumping(faults, execution):
        result = virtual.finish()
    gates = result.stats.gates
    simulation = Simulation(
        seed,
        faults,
        result,
        {name: virtual.seen(name) for name in dag.sinks} | unread,
        {name: gate.high_water for name, gate in gates.items()},
        {name: gate.dropped for name, gate in gates.items() if gate.dropped},
        execution.peak,
        plan.max_held,
        trace,
        virtual.now,
    )
    _check(simulation, execution)
    return simulation


def _unread(execution: SeededExecution) -> dict[str, list[Any]]:
    """Record the outputs of ports without readers, by node and port."""
    read = {(edge.producer, edge.port) for edge in execution.plan.dag.edges}
    noted: dict[str, list[Any]] = {}
    for name, made in execution.program.nodes.items():
        counted = LEAVINGS if isinstance(made, ColumnsNode) else ()
        for port in execution.plan.topology.nodes[name].ports:
            if (name, port) in read or port in counted:
                continue
            seen = Seen()
            noted[f"{name}.{port}"] = seen.items
            execution.program.observe(name, seen, execution, port)
    return noted


def _check(simulation: Simulation, execution: SeededExecution) -> None:
    result = simulation.result
    problems = list(result.problems)
    problems += [
        f"gate {name} held {gate.high_water:,} items, more than its {gate.capacity:,}"
        for name, gate in result.stats.gates.items()
        if gate.high_water > gate.capacity
    ]
    if simulation.peak > simulation.cap:
        problems.append(f"{simulation.peak:,} items were in gates, more than the cap of {simulation.cap:,}")
    if execution.has_run_away:
        problems.append("the run did not end; use a larger max_steps, or until= if its sources never end")
    if problems:
        with_faults = f", faults={list(simulation.faults)!r}" if simulation.faults else ""
        raise LawBroken(
            f"seed {simulation.seed}: {'; '.join(problems)} [testing.run(..., seed={simulation.seed}{with_faults})]"
        )
    if result.error is not None:
        result.error.add_note(f"seed {simulation.seed}")


def changed(dag: Dag, other: Mapping[str, Any], service: Mapping[str, Duration], faults: tuple[Fault, ...]) -> Dag:
    """Return the dag with the simulation's wrappers around its sources and sinks."""
    if other:
        dag = dag.replace(other)
    served = {name: duration_ns(each, f'testing.run: service of "{name}"') for name, each in service.items()}
    around: dict[str, Source[Any] | Sink[Any, Any]] = {}
    for name in {
        *served,
        *(fault.node for fault in faults if fault.kind == "loses" or fault.node in dag.sinks),
    }:
        if not name:
            continue
        node = dag.nodes.get(name)
        if node is None:
            raise GraphError(f'testing.run: node "{name}" is not known{did_you_mean(name, dag.nodes)}')
        thing, own = node.thing, [fault for fault in faults if fault.node == name]
        if isinstance(thing, Sink):
            extra = {fault.at: fault.by_ns for fault in own if fault.kind == "slows"}
            failing = [fault.at for fault in own if fault.kind == "raises"]
            around[name] = SlowSink(thing, served.get(name, 0), extra, failing[0] if failing else 0)
        elif isinstance(thing, Source) and any(fault.kind == "loses" for fault in own):
            around[name] = LostSource(thing, next(fault.at for fault in own if fault.kind == "loses"))
        else:
            raise GraphError(f'testing.run: service takes a sink, loses a source, got node "{name}"')
    return dag.replace(around) if around else dag


def _of_operators(faults: tuple[Fault, ...], dag: Dag) -> tuple[Fault, ...]:
    return tuple(fault for fault in faults if fault.node not in dag.sinks)


def drawn(plan: Plan, seed: int) -> tuple[Fault, ...]:
    """Return one fault, or none."""
    random = Random(f"faults {seed}")
    dag = plan.dag
    operators = [
        n
        for n, node in dag.nodes.items()
        if isinstance(node.thing, AnyOperator) and not isinstance(node.thing, Foreign)
    ]
    plain = [n for n in dag.sinks if not (s := dag.nodes[n].thing).paces and s.batching is None]  # type: ignore[union-attr]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]  # a sink
    n = 1 + int(random.expovariate(0.1))
    kinds: list[Callable[[], Fault | None]] = [
        lambda: raises(random.choice([*operators, *plain]), item=n) if operators or plain else None,
        lambda: loses(random.choice(dag.sources), item=n),
        lambda: slows(random.choice([*operators, *plain]), item=n, by="10s") if operators or plain else None,
        lambda: cancels(step=n),
        lambda: drains(step=n),
        lambda: jumps(at="1ms", by=random.choice(["-1h", "1h"])),
        lambda: None,
    ]
    fault = random.choice(kinds)()
    return () if fault is None else (fault,)


@contextmanager
def _jumping(faults: tuple[Fault, ...], execution: Execution) -> Generator[None]:
    """Make the wall clock jump at the given faults."""
    wanted = sorted((fault.at, fault.by_ns) for fault in faults if fault.kind == "jumps")
    if not wanted:
        yield
        return
    began = execution.clock.now()
    true_ns, true_s = time.time_ns, time.time

    def off() -> int:
        return sum(by for at, by in wanted if execution.clock.now() - began >= at)

    time.time_ns, time.time = lambda: true_ns() + off(), lambda: true_s() + off() / 1e9
    try:
        yield
    finally:
        time.time_ns, time.time = true_ns, true_s
