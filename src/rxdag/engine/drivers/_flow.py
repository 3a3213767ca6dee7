"""FlowScheduler: runs the pumps and the timers of one serial domain of the graph."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from rxdag.contract import Clock
from rxdag.engine._domain import QUANTUM, Domain
from rxdag.engine.drivers._bell import Bell, new_bell
from rxdag.engine.drivers._clock import VirtualClock
from rxdag.engine.drivers._reactivex_scheduler import ReactivexScheduler

if TYPE_CHECKING:
    from rxdag.engine._pump import Pump

_FEW: Final = 1024
"""Number of timers up to which no sweep is needed."""
LAST: Final = 1 << 30
"""Rank of a timer that belongs to no node."""


class Timer:
    """A call that is due at a time; `cancel` forgets it."""

    __slots__ = ("fn", "is_background", "when")

    def __init__(self, when: int, fn: Callable[[], None], is_background: bool) -> None:
        self.when = when
        self.fn: Callable[[], None] | None = fn
        self.is_background = is_background

    def cancel(self) -> None:
        self.fn = None


class FlowScheduler(ReactivexScheduler):
    """Runs the pumps and timers of one serial domain; drivers call `step`.

    Invariants: One thread at a time runs the domain, so nothing inside a segment needs a lock. A pump never blocks the
    thread: if a gate is full, the pump suspends, and the gate wakes it. `queued` is set under the lock before a pump is
    enqueued. A due timer and ready work take turns, the timer first. Pumps run round robin, one chunk a turn. `running`
    is set before work is dequeued, so stall detection never sees work that is neither queued nor running.

    Args:
        name: Name of the domain.
        clock: Clock of the domain.
        quantum: Maximum number of items that a pump moves in one turn.
        in_rounds: True to run pumps in rounds, in the order in which they were added, whichever was woken first; the
            order then does not depend on how the graph was compiled.
    """

    def __init__(self, name: str, clock: Clock, quantum: int = QUANTUM, *, in_rounds: bool = False) -> None:
        super().__init__(clock)
        self.name = name
        self.ticks: Callable[[], int] = clock.now if isinstance(clock, VirtualClock) else time.perf_counter_ns
        """Monotonic count of ns, for measuring durations."""
        self.domain = Domain(quantum)
        """The domain that it drives."""
        self.domain.driver = self
        self.domain.ticks = self.ticks
        self.domain.is_in_order = not in_rounds and not isinstance(clock, VirtualClock)
        self.slice_end: int | None = None
        """End of the time slice, by `ticks`: pumps must return then."""
        self._is_virtual = isinstance(clock, VirtualClock)
        self.pumps: list[Pump] = []
        self.lock = threading.RLock()
        """Reentrant: a signal handler or finalizer may drain or cancel while its own thread holds it."""
        self._bell: Bell | None = None
        """The bell on which the driver sleeps, once it has slept."""
        self._is_asleep = False
        self._is_rung = False
        self.epoch = 0
        self.kicks = 0
        """Number of requests to check for work."""
        self.running = False
        self.is_stopped = False
        self.thread: int | None = None
        self.on_kick: Callable[[], Callable[[], None] | None] | None = None
        """Wakes a driver that does not sleep in `wait`. Called under the lock; its result must be called without it."""
        self.on_failure: Callable[[Exception], None] | None = None
        self._calls: deque[Callable[[], None]] = deque()
        self._rounds: list[tuple[int, int, Pump]] | None = [] if in_rounds else None
        self._turn = (0, -1)
        self._timers: list[tuple[int, int, int, Timer]] = []
        self._patient: list[tuple[int, int, int, Timer]] = []
        """Timers that do not cut the turn of a pump short."""
        self._order = itertools.count()
        self._sweep_at = _FEW
        """Number of timers at which cancelled ones are swept."""
        self._is_sweeping = False
        self._set_meanwhile: list[tuple[list[tuple[int, int, int, Timer]], tuple[int, int, int, Timer]]] = []
        self._has_fired = False

    def at(
        self,
        when: int,
        fn: Callable[[], None],
        /,
        *,
        is_background: bool = False,
        is_patient: bool = False,
        rank: int = LAST,
    ) -> Timer:
        """Call `fn` at `when`, ns since the epoch. Thread-safe.

        Timers due at the same instant fire by rank, then in the order in which they were set.

        Args:
            when: The time.
            fn: Function to call.
            is_background: True if the timer does not keep the run alive.
            is_patient: True if the timer waits for the end of a pump's turn; others cut the turn short.
            rank: Rank of the node that sets it.
        """
        timer = Timer(when, fn, is_background)
        with self.lock:
            timers = self._patient if is_patient else self._timers
            entry = (when, rank, next(self._order), timer)
            if self._is_sweeping:  # called by a signal handler during a sweep
                self._set_meanwhile.append((timers, entry))
            else:
                heapq.heappush(timers, entry)
                if len(timers) > self._sweep_at:
                    self._sweep()
            self.domain.is_looked_for = True  # makes take_turns() return, so that the timer is seen
            self.epoch += 1
            ring = None if self._looks_again() else self._kick()
        if ring is not None:
            ring()
        return timer

    def add_pump(self, pump: Pump) -> None:
        """Add a pump; in virtual time, pumps run in the order in which they were added."""
        pump.index = len(self.pumps)
        self.pumps.append(pump)

    def wake(self, pump: Pump) -> None:
        """Schedule a turn of a pump. Thread-safe."""
        if pump.queued:
            return
        with self.lock:
            if pump.queued or pump.is_finished:
                return
            self._enqueue(pump)
            ring = None if self._looks_again() else self._kick()
        if ring is not None:
            ring()

    def again(self, pump: Pump) -> None:
        """Schedule another turn of a pump, from its own turn: the driver checks again anyway."""
        with self.lock:
            if not pump.queued and not pump.is_finished:
                self._enqueue(pump)

    def _enqueue(self, pump: Pump) -> None:
        pump.queued = True
        self.epoch += 1
        if self._rounds is None:
            self.domain.ready.append(pump)
            return
        number, last = self._turn  # a pump behind the last one still has its turn in this round
        index = pump.index
        heapq.heappush(self._rounds, (number if index > last else number + 1, index, pump))

    def call(self, fn: Callable[[], None]) -> None:
        """Call `fn` in this domain, soon; from any thread."""
        with self.lock:
            self.epoch += 1
            self._calls.append(fn)
            self.domain.is_called = True
            self.domain.stop = True
            ring = None if self._looks_again() else self._kick()
        if ring is not None:
            ring()

    def kick(self) -> None:
        """Make the driver check for work. Thread-safe."""
        with self.lock:
            ring = self._kick()
        if ring is not None:
            ring()

    def _looks_again(self) -> bool:
        """Return True if the driver checks again without a wake-up: this is its thread, within a step."""
        return self.running and self.thread == threading.get_ident()

    def _kick(self) -> Callable[[], None] | None:
        """Wake the driver; the function returned must be called without the lock, which the driver takes on waking."""
        self.kicks += 1
        self.domain.is_looked_for = True
        if self._is_asleep and self._bell is not None:
            self._is_asleep = False
            self._is_rung = True
            return self._bell.ring
        return None if self.on_kick is None else self.on_kick()

    def step(self, *, fires: bool = True) -> int | None:
        """Do one piece of work and return 0; without one, return ns to the next timer, or None.

        Args:
            fires: False, in virtual time, to fire no timer; returns -1 if one is due.
        """
        with self.lock:
            self.running = True
            job, wait = self._pop(fires=fires)
            if job is None:
                self.running = False
                return wait
        try:
            job()
            self.domain.settle()
        except Exception as error:
            if self.on_failure is None:
                raise
            self.on_failure(error)
        finally:
            self.running = False
        raised = self.domain.raised
        if raised is not None:
            self.domain.raised = None
            raise raised
        return 0

    def _pop(self, *, fires: bool) -> tuple[Callable[[], None] | None, int | None]:
        if self._is_virtual:  # a timer fires once all is quiet, and all gets quiet before the next one
            job = self._ready_job()
            if job is not None:
                return job, 0
            job, wait = self._due_job(fires=fires)
            return job, -1 if job is None and wait is not None and wait <= 0 else wait
        if self._has_fired:  # timers that are always due must not starve the other work
            self._has_fired = False
            job = self._ready_job()
            if job is not None:
                return job, 0
        job, wait = self._due_job()
        self._has_fired = job is not None
        if job is None:
            job = self._ready_job()
        return job, 0 if job is not None else wait

    def _due_job(self, *, fires: bool = True) -> tuple[Callable[[], None] | None, int | None]:
        """Return the call of a timer that is due, or how long the first one that is set has to wait, ns."""
        wait: int | None = None
        for timers in (self._timers, self._patient):
            fn, due = self._due(timers, fires=fires)
            if fn is not None:
                return fn, 0
            if due is not None and (wait is None or due < wait):
                wait = due
        return None, wait

    def _ready_job(self) -> Callable[[], None] | None:
        """Return the next job other than a timer."""
        if self._calls:
            fn = self._calls.popleft()
            self.domain.is_called = bool(self._calls)
            return fn
        if self.domain.is_unsettled:
            self._set_limit()
            return self.domain.settle_some
        if self._rounds:
            number, index, pump = heapq.heappop(self._rounds)
            self._turn = (number, index)
        elif not self.domain.ready:
            return None
        elif self.domain.is_in_order:
            self.domain.is_looked_for = False
            self._set_limit()
            return self.domain.take_turns
        else:
            pump = self.domain.ready.popleft()
        pump.queued = False
        self._set_limit()
        return pump.step

    def _due(
        self, timers: list[tuple[int, int, int, Timer]], *, fires: bool
    ) -> tuple[Callable[[], None] | None, int | None]:
        """Return the call of a timer that is due, and how long the first one that is set has to wait, ns."""
        while timers and timers[0][3].fn is None:
            first = heapq.heappop(timers)
            if first[3].fn is not None:  # set just now by a signal handler
                heapq.heappush(timers, first)
        if not timers:
            return None, None
        wait = timers[0][0] - self.clock.now()
        return (heapq.heappop(timers)[3].fn if fires and wait <= 0 else None), wait

    def _sweep(self) -> None:
        """Take out timers that were cancelled: one that is due before them would keep them for as long."""
        self._is_sweeping = True
        for timers in (self._timers, self._patient):
            timers[:] = [entry for entry in timers if entry[3].fn is not None]
            heapq.heapify(timers)
        self._sweep_at = max(_FEW, 2 * max(len(self._timers), len(self._patient)))
        self._is_sweeping = False
        while self._set_meanwhile:
            heap, entry = self._set_meanwhile.pop()
            heapq.heappush(heap, entry)

    def _set_limit(self) -> None:
        """Set the time limit of the current pump's turn."""
        domain = self.domain
        domain.stop = domain.is_called
        if self._is_virtual:
            return
        end = self.slice_end
        if self._timers:  # patient timers do not cut turns short
            due = self.ticks() + self._timers[0][0] - self.clock.now()  # converted from one clock to the other
            end = due if end is None or due < end else end
        domain.is_timed = end is not None
        if end is not None:
            domain.deadline = end

    def next_due(self) -> int | None:
        """Return when the next timer that keeps the run alive is due, or a background timer before it."""
        with self.lock:
            live = [
                when for when, _, _, timer in self._all_timers() if timer.fn is not None and not timer.is_background
            ]
            if not live:
                return None
            first = min(live)
            return min(when for when, _, _, timer in self._all_timers() if timer.fn is not None and when <= first)

    def _all_timers(self) -> list[tuple[int, int, int, Timer]]:
        return [*self._timers, *self._patient]

    def wait(self, timeout_s: float | None, kicks: int) -> None:
        """Sleep until something is ready, or the time is over. By the driver's thread.

        Args:
            timeout_s: Longest sleep, s; None for any time.
            kicks: Value of `kicks` before the last step; it does not sleep if that has changed.
        """
        try:
            with self.lock:
                bell = self._bell = self._bell or new_bell()
                self._is_asleep = True  # before the check, since a signal handler may run between them
                if not self.is_idle() or self.is_stopped or self.kicks != kicks:
                    return
            if bell.wait(timeout_s):
                self._is_rung = False
        finally:
            if self._is_asleep or self._is_rung:
                self._wake_up()

    def _wake_up(self) -> None:
        """Wake up after the time is over or a signal has come."""
        with self.lock:
            self._is_asleep = False
        if self._is_rung and self._bell is not None:  # rung just after the timeout
            self._bell.wait(None)
            self._is_rung = False

    def close(self) -> None:
        """Close; the driver does not sleep any more."""
        with self.lock:
            bell, self._bell = self._bell, None
            if bell is not None and not self._is_rung:  # otherwise it closes with its last reference
                bell.close()

    def is_idle(self) -> bool:
        """Return True if nothing is ready."""
        return not (self.domain.ready or self._calls or self._rounds or self.domain.is_unsettled)

    def stands(self) -> bool:
        """Return True if nothing is half done: only pumps and timers wait for their turns."""
        domain = self.domain
        return not (self._calls or domain.is_unsettled or domain.retired or domain.unwritten or domain.opened)

    def is_quiet(self) -> bool:
        """Return True if nothing is ready or running, and no timer that keeps the run alive is set."""
        if not self.is_idle() or self.running:
            return False
        return not any(t.fn is not None and not t.is_background for *_, t in self._all_timers())

    def stop(self) -> None:
        """Stop the driver. Thread-safe."""
        with self.lock:
            self.is_stopped = True
            ring = self._kick()
        if ring is not None:
            ring()


def all_quiet(schedulers: list[FlowScheduler]) -> bool:
    """Return True if no scheduler of the graph has work; two scans with epochs, since one alone can be wrong."""
    epochs = [s.epoch for s in schedulers]
    for _ in (0, 1):
        if not all(s.is_quiet() for s in schedulers):
            return False
    return epochs == [s.epoch for s in schedulers]
