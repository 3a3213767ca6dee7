"""Runs under torture: watched, counted, and stopped or saved at some step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rxdag.contract import IDLE, MIN, Clock
from rxdag.engine import KernelNode
from rxdag.engine.drivers import VirtualClock
from rxdag.plan import Plan
from rxdag.runtime import Execution
from rxdag.testing import settle_virtual
from tests.engine.parts import Clockwork


class Hung(Exception):
    """A run does not end."""


class Watched:
    """Notes what comes to a sink: how many items before each mark, and how it ends.

    Attributes:
        marks: How many items have come before it, and the mark.
        faults: What must not be.
    """

    def __init__(self, name: str, faults: list[str]) -> None:
        self.marks: set[tuple[int, int]] = set()
        self.faults = faults
        self.ends = 0
        self._name = name
        self._n = 0
        self._mark = MIN

    def on_next(self, chunk: Any, /) -> None:
        if self.ends:
            self.faults.append(f"{self._name}: something comes after the end")
        self._n += len(chunk.items)
        for _, mark in chunk.marks:
            if mark == IDLE:
                continue
            if mark < self._mark:
                self.faults.append(f"{self._name}: the watermark goes back from {self._mark} to {mark}")
            self._mark = mark
            self.marks.add((self._n, mark))

    def end(self, error: Exception | None, /) -> None:
        self.ends += 1
        if self.ends > 1:
            self.faults.append(f"{self._name}: ends {self.ends} times")


class Tortured(Execution):
    """A run whose sinks are watched, and whose nodes are seen resting.

    Args:
        plan: What to run.
        clock: What time it is.
        quantum: Most items that a pump moves in one turn.
    """

    def __init__(self, plan: Plan, clock: Clock | None, quantum: int) -> None:
        super().__init__(plan, clock)
        self.domains = {scheduler.domain for scheduler in self.schedulers.values()}
        self.rests = 0
        self.faults: list[str] = []
        self.watched: dict[str, Watched] = {}
        for domain in self.domains:
            domain.quantum = quantum
        for name in plan.dag.sinks:
            self.watched[name] = Watched(name, self.faults)
            self.program.observe(name, self.watched[name], self)

    def is_done(self) -> bool:
        for domain in self.domains:
            self.rests += len(domain.resting)
            for node in domain.resting:
                if isinstance(node, KernelNode) and isinstance(node.kernel, Clockwork) and len(node.pending) > 3:
                    self.faults.append(f"{node.name}: its timer fires while it rests: {len(node.pending)} entries")
        return super().is_done()

    def standing(self) -> str:
        """Tell where it stands."""
        return "; ".join(standing(self))


class Stepped(Tortured):
    """A run in virtual time that does something at a step of its scheduler.

    Args:
        plan: What to run.
        quantum: Most items that a pump moves in one turn.
        start: First instant, ns.
        act: Called with the number of each step before it is made, from 1.
    """

    MOST = 300_000
    """Steps after which a run is said to hang."""

    def __init__(self, plan: Plan, quantum: int, *, start: int = 0, act: Callable[[int], object] | None = None) -> None:
        super().__init__(plan, VirtualClock(start), quantum)
        self.steps = 0
        self.act = act

    def is_done(self) -> bool:
        self.steps += 1
        if self.steps > self.MOST:
            raise Hung(f"hung: {self.standing()}")
        if self.act is not None:
            self.act(self.steps)
        return super().is_done()

    def settle(self) -> BaseException | None:
        """Run to the end; return what got out of the run, as SystemExit."""
        try:
            settle_virtual(self)
        except BaseException as error:
            return error
        return None


def standing(execution: Execution) -> list[str]:
    """Tell what rests, is shut or full, and which pumps are open."""
    program = execution.program
    out = [f"state {execution.state}, error {execution.error!r}"]
    for node in [*program.nodes.values(), *program.helpers.values()]:
        pending = getattr(node, "pending", ())
        if node.blocked or node.is_shut or pending:
            out.append(
                f"{type(node).__name__} {node.name}: blocked {node.blocked}, shut {node.is_shut}, {len(pending)} rest, ended {node.is_ended}"
            )
    out += [
        f"gate {gate.name}: {gate.n} of {gate.high}, full {gate.is_full}, ended {gate.is_ended}"
        for gate in program.gates.values()
        if gate.n
    ]
    out += [
        f"pump {pump.name}: blocked {pump.blocked}, queued {pump.queued}, starved {pump.is_starved}"
        for pump in program.pumps
        if not pump.is_finished
    ]
    return out
