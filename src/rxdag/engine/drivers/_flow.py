"""FlowScheduler: runs the pumps and the timers of one serial domain of the graph."""

from __future__ import annotations

import heapq
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from rxdag.contract import Clock
from rxdag.engine._domain import NODE_TURNS, QUANTUM, Domain
from rxdag.engine.drivers._bell import Bell, new_bell
from rxdag.engine.drivers._clock import VirtualClock
from rxdag.engine.drivers._reactivex_scheduler import ReactivexScheduler
from rxdag.engine.drivers._timers import LAST, Timer, Timers

if TYPE_CHECKING:
    from rxdag.engine._pump import Pump


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
        self.on_failure: Callable[[BaseException], None] | None = None
        self.on_stand: Callable[[], None] | None = None
        """Called once the domain stands; set while it is to stand."""
        self._is_held = False
        """True once it gives no more turns: it finishes what is half done, and stands."""
        self._stands = False
        self._is_reading = False
        self._calls: deque[Callable[[], None]] = deque()
        self._rounds: list[tuple[int, int, Pump]] | None = [] if in_rounds else None
        self._turn = (0, -1)
        self._timers = Timers(clock)
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
            self._timers.add(timer, rank, is_patient=is_patient)
            self.domain.is_looked_for = True
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
            if self._is_held:
                self.domain.is_unsettled = True  # what rests goes on after the release
            else:
                self.domain.settle()
        except BaseException as error:
            if self.on_failure is None or isinstance(error, KeyboardInterrupt | SystemExit):
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
        if self._is_held:
            return self._held_job(), None
        if self._is_virtual:  # a timer fires once all is quiet, and all gets quiet before the next one
            job = self._ready_job()
            if job is not None:
                return job, 0
            job, wait = self._timers.due(fires=fires)
            return job, -1 if job is None and wait is not None and wait <= 0 else wait
        if self._has_fired:  # timers that are always due must not starve the other work
            self._has_fired = False
            job = self._ready_job()
            if job is not None:
                return job, 0
        job, wait = self._timers.due()
        self._has_fired = job is not None
        if job is None:
            job = self._ready_job()
        return job, 0 if job is not None else wait

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
            if not self.domain.has_more():
                return None
            self.domain.n_turns = NODE_TURNS
            self._set_limit()
            return self.domain.settle_some
        elif self.domain.is_in_order:
            self.domain.is_looked_for = False
            self._set_limit()
            return self.domain.take_turns
        else:
            pump = self.domain.ready.popleft()
        pump.queued = False
        self.domain.n_turns = NODE_TURNS
        self._set_limit()
        return pump.step

    def _set_limit(self) -> None:
        """Set the time limit of the current pump's turn."""
        domain = self.domain
        domain.stop = domain.is_called
        if self._is_virtual:
            return
        end = self.slice_end
        first = self._timers.first()
        if first is not None:
            due = self.ticks() + first - self.clock.now()
            end = due if end is None or due < end else end
        domain.is_timed = end is not None
        if end is not None:
            domain.deadline = end

    def next_due(self) -> int | None:
        """Return when the next timer that keeps the run alive is due, or a background timer before it."""
        with self.lock:
            return self._timers.next_alive()

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
        if self._is_held:
            return not (self._calls or self.domain.retired)
        domain = self.domain
        return not (domain.ready or self._calls or self._rounds or domain.is_unsettled or domain.has_more())

    def stands(self) -> bool:
        """Return True if nothing is half done: what else waits for a turn is part of the state of its node."""
        return not (self._calls or self.domain.retired)

    def hold(self, on_stand: Callable[[], None]) -> None:
        """Bring the domain to stand between two items, until `release`. Thread-safe.

        Its pumps and timers get no turns. `on_stand` is called from this domain when nothing is half done, or when it
        reads: a read may take any time. A call that comes later sets it going, and it stands again.
        """
        with self.lock:
            self.on_stand = on_stand
        self.call(self._begin_hold)

    def _begin_hold(self) -> None:
        self._is_held = self.on_stand is not None  # a read may have lasted until the release

    def _held_job(self) -> Callable[[], None] | None:
        """Return what is left to do before the domain stands; then `on_stand`, once."""
        stood, self._stands = self._stands, False
        if self._calls:
            return self._ready_job()
        if self.domain.retired:
            return self.domain.retire_all
        self._stands = True
        return None if stood else self.on_stand

    def stands_still(self) -> bool:
        """Return True if it stands, or reads; it goes on with neither while the lock is taken."""
        return self._stands or self._is_reading

    def release(self) -> None:
        """Go on after `hold`. Thread-safe."""
        with self.lock:
            self.on_stand = None
            self._is_held = self._stands = False
            self.domain.is_unsettled = True
            ring = self._kick()
        if ring is not None:
            ring()

    def begin_read(self) -> None:
        """Note that a source of this domain begins to read, which may block."""
        with self.lock:
            self._is_reading = True
            on_stand = self.on_stand
        if on_stand is not None:
            on_stand()

    def end_read(self) -> None:
        """Note that it has read, or tells of what it has read; waits while the lock is taken."""
        with self.lock:
            self._is_reading = False

    def is_quiet(self) -> bool:
        """Return True if nothing is ready or running, and no timer that keeps the run alive is set."""
        if not self.is_idle() or self.running:
            return False
        return not self._timers.keep_alive()

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
