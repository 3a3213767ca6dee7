"""Drivers: they call a scheduler's `step` on the caller's thread, their own, an asyncio loop or a virtual clock."""

from __future__ import annotations

import asyncio
import math
import selectors
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from typing import Any, Final, TypeVar, TypeVarTuple

from rxdag.engine.drivers._clock import VirtualClock
from rxdag.engine.drivers._flow import FlowScheduler
from rxdag.engine.drivers._wide_frame import on_wide_frame

R = TypeVar("R")
Args = TypeVarTuple("Args")

_SLICE_S: Final = 0.002
BEGIN_S: Final = 1.0
"""Longest wait for a started thread to begin, s."""


@on_wide_frame
def drive(scheduler: FlowScheduler, is_done: Callable[[], bool], on_idle: Callable[[], None]) -> None:
    """Run a scheduler on this thread until `is_done`; `on_idle` is called when it has nothing to do."""
    scheduler.thread = threading.get_ident()
    try:
        while not is_done() and not scheduler.is_stopped:
            kicks = scheduler.kicks
            wait = scheduler.step()
            if wait == 0:
                continue
            on_idle()
            if not is_done():
                scheduler.wait(None if wait is None else wait / 1e9, kicks)
    finally:
        scheduler.close()


@on_wide_frame
def drive_virtual(
    scheduler: FlowScheduler, clock: VirtualClock, is_done: Callable[[], bool], on_idle: Callable[[], None]
) -> bool:
    """Run a scheduler on this thread in virtual time; False if nothing is left to do before `is_done`."""
    scheduler.thread = threading.get_ident()
    while not is_done() and not scheduler.is_stopped:
        if scheduler.step() == 0:
            continue
        on_idle()
        # on_idle may have scheduled work, such as a cancel.
        if not scheduler.is_idle():
            continue
        due = scheduler.next_due()
        if due is None:
            return is_done()
        clock.advance_to(due)
    return True


class ThreadDriver:
    """Runs a scheduler on its own daemon thread, so that hanging user code does not keep the process alive.

    Args:
        scheduler: Scheduler to run.
        is_done: True once there is nothing more to run.
        on_idle: Called when there is nothing to do.
        on_crash: Called on the thread with the exception that ended it early, such as SystemExit.
    """

    def __init__(
        self,
        scheduler: FlowScheduler,
        is_done: Callable[[], bool],
        on_idle: Callable[[], None],
        on_crash: Callable[[BaseException], None],
    ) -> None:
        def target() -> None:
            self._has_begun.set()
            try:
                drive(scheduler, is_done, on_idle)
            except BaseException as error:  # an exception that no guard catches must not end the thread silently
                on_crash(error)

        self.thread = threading.Thread(target=target, name=f"rxdag-{scheduler.name}", daemon=True)
        self._is_asked = False
        self._has_begun = threading.Event()

    def start(self) -> None:
        self._is_asked = True
        self.thread.start()

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread; False if it does not return.

        A signal may have interrupted the start. A thread that has not begun within a second was either never started,
        or will find nothing to do.
        """
        if not self._is_asked or not self._has_begun.wait(BEGIN_S):
            return True
        self.thread.join(timeout_s)
        return not self.thread.is_alive()


class LoopDriver:
    """Runs a scheduler on an asyncio loop, in slices of 2 ms.

    Args:
        scheduler: Scheduler to run.
        loop: The loop; the driver must be created on its thread.
        is_done: True once there is nothing more to run.
        on_idle: Called when there is nothing to do.
        slice_s: Longest slice, s; infinite in virtual time, where the wall clock must not matter.
        is_loops_owner: True if the loop runs only until `done`, which then also carries KeyboardInterrupt and SystemExit.
    """

    def __init__(
        self,
        scheduler: FlowScheduler,
        loop: asyncio.AbstractEventLoop,
        is_done: Callable[[], bool],
        on_idle: Callable[[], None],
        slice_s: float = _SLICE_S,
        is_loops_owner: bool = False,
    ) -> None:
        self._is_loops_owner = is_loops_owner
        self._slice_s = slice_s
        self._scheduler = scheduler
        self._loop = loop
        self._is_done = is_done
        self._on_idle = on_idle
        self._armed = False
        self._is_virtual = isinstance(loop, VirtualLoop)
        self._timer: asyncio.TimerHandle | None = None
        self._thread = threading.get_ident()
        self.done: asyncio.Future[None] = loop.create_future()
        scheduler.thread = self._thread
        scheduler.on_kick = self._kick

    def _kick(self) -> Callable[[], None] | None:
        """Return a function to call after the scheduler's lock is released."""
        if self._armed:
            return None
        self._armed = True
        return self._arm

    def _arm(self) -> None:
        if threading.get_ident() == self._thread:
            self._loop.call_soon(self._slice)
            return
        try:
            self._loop.call_soon_threadsafe(self._slice)
        except RuntimeError:  # the loop is closed, so nothing waits for this run
            self._armed = False

    def start(self) -> None:
        self._scheduler.kick()

    def _slice(self) -> None:
        try:
            self._work()
        except BaseException as error:  # that of a signal handler can be raised anywhere
            ends_process = isinstance(error, KeyboardInterrupt | SystemExit)
            if self.done.done() or (ends_process and not self._is_loops_owner):
                raise
            # Raised here, it would end the loop before the run is closed, or be lost.
            self.done.set_exception(error)

    def _work(self) -> None:
        scheduler = self._scheduler
        end = time.monotonic() + self._slice_s
        if self._slice_s != math.inf:
            scheduler.slice_end = scheduler.ticks() + round(self._slice_s * 1e9)
        wait: int | None = 0
        kicks = scheduler.kicks
        while not scheduler.is_stopped and not self._is_done():
            kicks = scheduler.kicks
            wait = scheduler.step(fires=not self._is_virtual)
            if wait != 0:
                self._on_idle()
                break
            if time.monotonic() >= end:
                break
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        with scheduler.lock:
            # From here on, a kick schedules a slice again; one since the last step may have set a timer it did not see.
            self._armed = False
            was_kicked = scheduler.kicks != kicks
        if scheduler.is_stopped or self._is_done():
            if not self.done.done():
                self.done.set_result(None)
        elif wait == 0 or was_kicked or not scheduler.is_idle():
            scheduler.kick()
        elif wait is None:
            return
        elif wait < 0 and isinstance(self._loop, VirtualLoop):
            self._loop.when_quiet(self._fire)
        else:
            self._timer = self._loop.call_later(wait / 1e9, self._slice)

    def _fire(self) -> None:
        """Fire one timer; in virtual time, only after the tasks have finished at its instant."""
        if not self._scheduler.is_stopped and not self._is_done():
            self._scheduler.step()
        self._slice()


class _InstantSelector(selectors.SelectSelector):
    """Never sleeps: it moves the virtual clock to where the sleep would have ended."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self._clock = clock
        self.limit: float = math.inf
        """Latest time of the clock, ns; a sleep past it calls `on_limit` instead."""
        self.on_limit: Callable[[], None] | None = None
        self.on_quiet: Callable[[], object] | None = None
        """Called once, when no work is left at this instant."""

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if self.on_quiet is not None:
            on_quiet, self.on_quiet = self.on_quiet, None
            on_quiet()
            return ready
        if self.on_limit is not None and (timeout is None or self._clock.now() + round(timeout * 1e9) > self.limit):
            self.on_limit()
            return ready
        if timeout is None:
            raise VirtualDeadlockError("no timer is left in virtual time, and the run has not ended")
        # At least 1 ns: a shorter sleep would round to 0, and the loop would spin for ever.
        self._clock.advance_to(self._clock.now() + max(1, round(timeout * 1e9)))
        return ready


class VirtualDeadlockError(RuntimeError):
    """A virtual loop waits for something that cannot happen."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """An asyncio loop on a virtual clock: `asyncio.sleep(3600)` takes no time."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._began = clock.now()
        self._instant = _InstantSelector(clock)
        super().__init__(self._instant)
        # asyncio fires timers that are due within it; the resolution of the system clock may be coarser.
        self._clock_resolution = 1e-9

    def when_quiet(self, fn: Callable[[], None]) -> None:
        """Call a function once nothing else is left to do at this instant; it replaces a waiting one."""
        self._instant.on_quiet = partial(self.call_soon, fn)

    def run_up_to(self, when: int | None) -> None:
        """Run everything due up to a time, ns; None for no limit. The clock stays at the last event."""
        self._instant.limit = math.inf if when is None else when
        self._instant.on_limit = self.stop
        try:
            self.run_forever()
        finally:
            self._instant.on_limit = None

    def run_in_executor(self, executor: Executor | None, func: Callable[[*Args], R], *args: *Args) -> asyncio.Future[R]:
        """Call a function at once: virtual time stands still while a thread works."""
        done: asyncio.Future[R] = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:
            done.set_exception(error)
        return done

    def time(self) -> float:
        # From its start: a float of seconds since the epoch has no nanoseconds.
        return (self._clock.now() - self._began) / 1e9
