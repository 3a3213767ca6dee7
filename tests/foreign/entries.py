"""Entries of the corpus: small programs with their items and expected outputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from rxdag import operators as ops
from rxdag.contract import MIN
from tests.foreign import machines

CORPUS: list[Entry] = []


@dataclass(frozen=True)
class Own(ops.Operator[Any, Any]):
    """An operator for any kernel, as in the guide to own operators."""

    make: Callable[[], Any]
    own_ports: tuple[str, ...] = ()
    label = "own"
    leavings = ("dropped", "unassigned", "unrouted")

    @property
    def ports(self):
        return ("out", *self.own_ports, "dead")

    def kernel(self):
        return self.make()


class EachMark(ops.Kernel):
    """A kernel that is called at every watermark."""

    wake = MIN


@dataclass(frozen=True)
class Step:
    """One node of a chain.

    Attributes:
        operator: What the engine runs.
        machine: Makes what the reference runs.
        ports: Ports that are read in addition to "out". If "dead" is one of them, the step gets the error policy.
        name: Of the node.
        is_routed: True if it has ports and no "out".
        makes_time: True for the step that sets the event time; the time is the first field of an item.
    """

    operator: Any
    machine: Callable[[], Any]
    ports: tuple[str, ...] = ()
    name: str = ""
    is_routed: bool = False
    makes_time: bool = False


@dataclass(frozen=True)
class Entry:
    """A program.

    Attributes:
        name: Name of the program, used in test names.
        chain: Makes new steps for each run.
        items: Items of the source.
        expected: Expected outputs by port, under the policy "dead".
        begin: Called before the chain is made; resets global state.
        between: Called between compilation and the run.
        times: Arrival time of each item, ns; such a program runs in virtual time only.
        only_once: True if the program must not be run with more items.
    """

    name: str
    chain: Callable[[], list[Step]] = field(repr=False)
    items: tuple[Any, ...]
    expected: dict[str, list[Any]]
    begin: Callable[[], object] = list
    between: Callable[[], object] = list
    times: tuple[int, ...] | None = None
    only_once: bool = False

    @property
    def may_fail(self) -> bool:
        return "dead" in self.expected

    def steps(self) -> list[Step]:
        """Make a new chain and name its nodes."""
        self.begin()
        return [replace(step, name=step.name or f"step{i}") for i, step in enumerate(self.chain())]


def program(name, chain, items, out=(), /, *, begin=list, between=list, times=None, only_once=False, **ports):
    """Add a program to the corpus; `ports` are the expected outputs of ports other than "out"."""
    expected = ({"out": list(out)} if out is not None else {}) | {port: list(items) for port, items in ports.items()}
    CORPUS.append(Entry(name, chain, tuple(items), expected, begin, between, times, only_once))


def kernel(items, out, /, *, before=list, after=list, **how):
    """Make a decorator that adds a kernel class to the corpus."""

    def put(kind):
        ports = tuple(name for name in how if name not in ("begin", "between", "times", "only_once"))
        program(kind.__name__, lambda: [*before(), own(kind, *ports), *after()], items, out, **how)
        return kind

    return put


def own(make, *ports):
    """Make a step of a kernel; `ports` are its own ports and the exits that are read."""
    return Step(Own(make, tuple(port for port in ports if port not in ("dead", *Own.leavings))), make, ports)


# ---- operators of rxdag, beside the machines that mean the same


def mapped(fn, *ports):
    return Step(ops.map(fn), lambda: machines.Map(fn), ports)


def filtered(fn, *ports):
    return Step(ops.filter(fn), lambda: machines.Filter(fn), ports)


def tapped(fn, *ports):
    return Step(ops.tap(fn), lambda: machines.Tap(fn), ports)


def keyed(fn, *ports):
    return Step(ops.key_by(fn), lambda: machines.KeyBy(fn), ports)


def exploded(fn, *ports):
    return Step(ops.explode(fn), lambda: machines.Explode(fn), ports)


def scanned(initial, fn, *ports):
    return Step(ops.scan(initial, fn), lambda: machines.Scan(initial, fn), ports)


def routed(routes, *ports, default=None):
    names = (*routes, *((default,) if default else ()))
    step = ops.route(routes, default=default)
    return Step(step, lambda: machines.Route(routes, default), (*names, *ports), is_routed=True)


def timed(ts=lambda item: item[0], sequence=lambda item: 0, out_of_order=0):
    """Make a step that sets the event time, in ns."""
    step = ops.event_time(ts, sequence=sequence, out_of_order=f"{out_of_order}ns")
    return Step(step, lambda: machines.EventTime(ts, sequence, out_of_order), makes_time=True)


def windowed(assigner, aggregate, *ports, into=None):
    step = ops.window(assigner, aggregate, into=into)
    return Step(step, lambda: machines.Windows(assigner, aggregate, into), ports)


def windowed_all(assigner, aggregate, *ports, into=None):
    step = ops.window_all(assigner, aggregate, into=into)
    return Step(step, lambda: machines.Windows(assigner, aggregate, into), ports)


def rolled(n, aggregate, *ports):
    return Step(ops.rolling(n, aggregate), lambda: machines.Rolling(n, aggregate), ports)


def rolled_in_time(span, aggregate, *ports):
    """Make a step of rolling windows, `span` in ns."""
    step = ops.rolling(f"{span}ns", aggregate)
    return Step(step, lambda: machines.RollingTime(span, aggregate), ports)


def processed(process, *ports):
    return Step(ops.process(process), lambda: machines.Process(process), ports)
