"""Seeded runs: virtual time in which every choice that is free is drawn from a seed."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, Final

from rxdag.contract import Clock
from rxdag.engine import KernelNode, StepNode
from rxdag.engine.drivers import FlowScheduler
from rxdag.errors import GraphError
from rxdag.plan import MAIN, Plan
from rxdag.runtime import Execution
from rxdag.testing._virtual import clock_of
from rxdag.testing.faults import Fault, InjectedFault

QUANTA: Final = (1, 2, 3, 7, 64, 1024)


class SeededScheduler(FlowScheduler):
    """Draws the next pump, the next of several timers due at the same instant, and how many items move at once.

    Other rules remain: calls are made in order, and due timers come before ready pumps.
    """

    def __init__(self, name: str, clock: Clock, random: Random) -> None:
        self._random = random
        super().__init__(name, clock)
        self.steps = 0
        self.on_step: Callable[[int], None] | None = None

    def _set_limit(self) -> None:
        super()._set_limit()
        self.domain.quantum = self._random.choice(QUANTA)

    def step(self, *, fires: bool = True) -> int | None:
        done = super().step()
        if done == 0:
            self.steps += 1
            if self.on_step is not None:
                self.on_step(self.steps)
        return done

    def _pop(self, *, fires: bool) -> tuple[Callable[[], None] | None, int | None]:
        if self._is_held:
            return super()._pop(fires=fires)
        timers, now = self._timers, self.clock.now()
        first = timers.first()
        if first is not None and first <= now:
            timers.put_first(self._random.randrange)
            due, _ = timers.due()
            if due is not None:
                return due, 0
        if self._calls and self._random.random() < 0.5:
            return super()._pop(fires=fires)
        if self.domain.ready:
            self.domain.ready.rotate(self._random.randrange(len(self.domain.ready)))
            pump = self.domain.ready.popleft()
            pump.queued = False
            self._set_limit()
            return pump.step, 0
        return super()._pop(fires=fires)


class SeededExecution(Execution):
    """A run in virtual time whose free choices are drawn from a seed, with faults.

    Args:
        plan: The plan to run.
        seed: Seed of all choices.
        faults: Faults in operators, or of the run.
        max_steps: Number of scheduler steps after which the run counts as endless.
    """

    def __init__(self, plan: Plan, *, seed: int, faults: tuple[Fault, ...], max_steps: int) -> None:
        self._draws = Random(seed)
        self.called = frozenset(fault.node for fault in faults if fault.kind in ("raises", "slows"))
        super().__init__(plan, clock_of(plan), seed=seed)
        self.peak = 0
        """Highest number of items in all gates together."""
        self.has_run_away = False
        self._max_steps = max_steps
        self._stops = {fault.at: fault.kind for fault in faults if fault.kind in ("cancels", "drains")}
        for fault in faults:
            if fault.kind in ("raises", "slows"):
                self._break(fault)

    def _make_schedulers(self) -> dict[str, FlowScheduler]:
        one = SeededScheduler(MAIN, self.clock, self._draws)
        one.on_failure = self._broken
        one.on_step = self._stepped
        return dict.fromkeys([MAIN, *self.plan.domains.values()], one)

    def _stepped(self, steps: int) -> None:
        self.peak = max(self.peak, sum(gate.n for gate in self.program.gates.values()))
        stop = self._stops.get(steps)
        if stop == "cancels":
            self.cancel()
        elif stop == "drains":
            self.drain()
        if steps == self._max_steps:
            self.has_run_away = True
            self.cancel()

    def _break(self, fault: Fault) -> None:
        """Make an operator raise on its n-th item, or delay it."""
        node = self.program.nodes.get(fault.node)
        if not isinstance(node, KernelNode):
            raise GraphError(f'{fault.kind}: node "{fault.node}" must be an operator or a sink of the dag')
        way = "expand" if isinstance(node, StepNode) and node.expands else "on_item"
        whole: Callable[..., Any] = getattr(node, way)
        seen: list[Any] = []
        clock: Any = self.clock

        def broken(*args: Any) -> Any:
            seen.append(None)
            if len(seen) == fault.at and fault.kind == "slows":
                clock.advance_to(clock.now() + fault.by_ns)
            elif len(seen) == fault.at:
                raise InjectedFault(f"item {fault.at} of {fault.node}")
            return whole(*args)

        setattr(node, way, broken)
