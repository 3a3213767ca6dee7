"""Execution: one run from its first to its last instant: states, failure, drain, cancel, books."""

from __future__ import annotations

import asyncio
import os
import random
import threading
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Any, Final

from rxdag.contract import Clock, FanIn, contained, is_forked
from rxdag.engine import QUANTUM, KernelNode, SinkNode, node_error
from rxdag.engine.drivers import FlowScheduler, ForeignNode, MonotonicClock, ThreadDriver, VirtualClock
from rxdag.errors import NodeError, RxDagError, as_exception, text_of
from rxdag.logs import EventLog
from rxdag.plan import MAIN, Plan
from rxdag.runtime._checkpointing import Checkpointing, may_become_visible
from rxdag.runtime._commit import Commit
from rxdag.runtime._events import RunEvents
from rxdag.runtime._program import unbalanced
from rxdag.runtime._result import RunResult, RunStats, State
from rxdag.runtime._safepoint import Safepoint
from rxdag.runtime._stall import stop_if_stalled
from rxdag.runtime._stats import stats_of
from rxdag.runtime._stopping import begin_drain, begin_failure
from rxdag.runtime._tasks import ended_by
from rxdag.runtime._wiring import wire

JOIN_S: Final = 5.0
"""Time that blocking user code has to return before its thread is abandoned, s."""


class Execution:
    """One run of a plan. Drivers call its schedulers; handles ask it to drain or cancel.

    Args:
        plan: The plan to run.
        clock: Clock of the run; by default the system's.
        quantum: Maximum number of items that a pump moves in one turn.
        seed: Seed of random choices in virtual time.
        log: Log of its events; by default a log of its own.
    """

    called: frozenset[str] = frozenset()  # for tests: nodes whose kernels are called although they have a node class

    def __init__(
        self,
        plan: Plan,
        clock: Clock | None = None,
        *,
        quantum: int = QUANTUM,
        seed: int = 0,
        log: EventLog | None = None,
    ) -> None:
        self.plan = plan
        self.dag_name: str = plan.dag.job
        self.pid = os.getpid()
        self.signal: str | None = None
        self.clock: Clock = clock or MonotonicClock()
        self.is_virtual = isinstance(self.clock, VirtualClock)
        self.state: State = "created"
        self.error: Exception | None = None
        self.was_drained = False
        self.done = threading.Event()
        self.result: RunResult | None = None
        self.loop: asyncio.AbstractEventLoop | None = None
        self.random = random.Random(seed) if self.is_virtual else random.Random()
        self._lock = threading.RLock()
        self._values: dict[str, Any] = {}
        self._open_sources: set[str] = set(plan.dag.sources)
        self._open_sinks: set[str] = set(plan.dag.sinks)
        self._tasks: set[asyncio.Future[Any]] = set()
        self._cut: set[asyncio.Future[Any]] = set()
        """Tasks cancelled by the run itself."""
        self.flush = False  # default of whether a drain closes open panes
        self.is_cancelled = self._has_cancelled_tasks = False
        self._on_done: list[Callable[[], object]] = []
        self._began = self._ended = 0
        is_merged = any(isinstance(n.thing, FanIn) for n in plan.dag.nodes.values())
        many = is_merged and len(plan.dag.sources) + len(plan.gates) > 1
        # In virtual time, each of several inputs delivers one item per turn, so that their order is defined.
        self.quantum = 1 if self.is_virtual and many else quantum
        self.schedulers = self._make_schedulers()
        self.events = RunEvents(self, log)
        self.program = wire(plan, self, self.schedulers, self.called)
        self.commit = Commit(self.program.sinks, lambda: may_become_visible(self))
        self.checkpointing: Checkpointing | None = None
        self.was_suspended = False
        self.safepoint = Safepoint(self)
        self.threads: list[ThreadDriver] = []

    def _make_schedulers(self) -> dict[str, FlowScheduler]:
        names = dict.fromkeys([MAIN, *self.plan.domains.values()])
        if self.is_virtual:
            one = FlowScheduler(MAIN, self.clock, self.quantum, in_rounds=True)
            one.on_failure = self._broken
            return dict.fromkeys(names, one)
        made = {name: FlowScheduler(name, self.clock, self.quantum) for name in names}
        for scheduler in made.values():
            scheduler.on_failure = self._broken
        return made

    @property
    def main(self) -> FlowScheduler:
        return self.schedulers[MAIN]

    @property
    def may_succeed(self) -> bool:
        return self.error is None and not self.is_cancelled

    def cancelled(self, why: str) -> BaseException:
        return asyncio.CancelledError(why)

    def event(self) -> asyncio.Event:
        return asyncio.Event()

    def spawn(self, node: str, work: Awaitable[Any], then: Callable[[asyncio.Future[Any]], None] | None = None) -> None:
        if self.loop is None:
            raise RxDagError(f'node "{node}" needs an event loop, and this run has none')
        task = asyncio.ensure_future(contained(work), loop=self.loop)
        self._tasks.add(task)

        def done(task: asyncio.Future[Any]) -> None:
            ended = ended_by(task, is_cut=task in self._cut)
            try:
                if then is not None:
                    then(ended)
                    self.main.domain.is_unsettled = True  # it may have scheduled a node outside of a step
                    self.safepoint.look()
                elif not ended.cancelled() and (error := ended.exception()) is not None:
                    self.main.domain.interrupt_for(error)
                    self.fail(error if isinstance(error, NodeError) else node_error(node, error))
            except BaseException as error:  # asyncio would only log it
                self.main.domain.interrupt_for(error)
                self._broken(error)
            self._cut.discard(task)
            self._tasks.discard(task)  # only now: a stall check must see the task or the work it scheduled
            self._kick()

        task.add_done_callback(done)

    def fail(self, error: Exception) -> None:
        with self._lock:
            if error is self.error:
                # Each source that is stopped with this error reports it again.
                return
            if self.error is not None:
                self.error.add_note(f"then: {text_of(error)}")
                return
            self.error = error
            if self.state in ("running", "draining"):
                self.state = "failed"
        self.main.call(self.safepoint.abandon)
        begin_failure(self, error)

    def source_ended(self, name: str) -> None:
        with self._lock:
            self._open_sources.discard(name)
        self._kick()

    def sink_ready(self, name: str) -> None:
        self.commit.ready(name)
        if self.commit.has_begun:
            self.main.call(self.safepoint.abandon)

    def sink_prepared(self, name: str) -> None:
        self.commit.prepared(name)

    def sink_ended(self, name: str, result: object) -> None:
        with self._lock:
            self._open_sinks.discard(name)
            self._values[name] = result
        self.commit.ready(name)
        self.commit.prepared(name)
        self.commit.ended(name)
        self._kick()

    def has_tasks(self) -> bool:
        """Return True while asynchronous user code is under way."""
        return bool(self._tasks)

    def _kick(self) -> None:
        for scheduler in dict.fromkeys(self.schedulers.values()):
            scheduler.kick()

    def open(self) -> None:
        """Open sinks and nodes, start the threads, give the sources their first turn. On the main domain's thread."""
        if self.state == "created":
            self.state = "draining" if self.was_drained else "running"
        self._began = self.clock.now()
        self.events.started()
        program = self.program
        for scheduler in self.schedulers.values():
            scheduler.thread = scheduler.thread or threading.get_ident()
        for sink in program.sinks:
            sink.open()
        for node in reversed(program.nodes.values()):  # a node that emits at the start then finds its readers open
            if isinstance(node, KernelNode | ForeignNode):
                node.open()
        for source in program.sources:
            source.find_shortcut()
        for scheduler in dict.fromkeys(self.schedulers.values()):
            scheduler.domain.settle()
        for source in program.sources:
            source.start()
        for gate in program.gates.values():
            if gate.is_restored:
                gate.reopen()
                gate.reader.wake()
        if self.checkpointing is not None:
            self.checkpointing.start()
        if not self.is_virtual:
            for name, scheduler in self.schedulers.items():
                if name != MAIN:
                    scheduler.thread = None
                    self.threads.append(
                        ThreadDriver(scheduler, self.is_done, self.check_stall, partial(self._crashed, scheduler))
                    )
            for driver in self.threads:
                driver.start()

    def is_done(self) -> bool:
        """Return True once all sources and sinks are closed, and no task and no open resource is left."""
        if self._open_sinks or self._tasks or self.main.domain.retired:
            return False
        return not self._open_sources or self._only_blocked_left()

    def _only_blocked_left(self) -> bool:
        """Return True if all open sources were told to stop and hang in a read on their own thread."""
        if self.state == "running":
            return False
        open_sources = tuple(self._open_sources)  # other threads remove from it
        return all(self.plan.domains[name] != MAIN for name in open_sources)

    def check_stall(self) -> None:
        """Stop the run if nothing in the graph can ever proceed; idle drivers call this."""
        if not self.safepoint.is_awaited:
            stop_if_stalled(self)

    def drain(self, *, flush: bool | None = None) -> None:
        """Stop reading; let items under way pass through. From any thread.

        A run with checkpoints is suspended instead, unless it is to flush: items under way are saved.
        """
        flush = self.flush if flush is None else flush
        if self.checkpointing is not None and not flush:
            self.main.call(partial(self.checkpointing.suspend, self._suspend))
            return
        with self._lock:
            if self.state not in ("created", "running"):
                return
            if self.state == "running":
                self.state = "draining"
            self.was_drained = True
        self.main.call(self.safepoint.abandon)
        self.events.draining(flush=flush)
        begin_drain(self, flush=flush)

    def _suspend(self, outcome: object) -> None:
        """Stop behind a checkpoint: the next run continues there. If it could not be taken, the run has failed."""
        if self.state == "running" and isinstance(outcome, Exception):
            self.fail(outcome)
        elif self.state == "running":
            self.was_drained = self.was_suspended = True
            self.cancel()
        self.safepoint.abandon()

    def cancel(self) -> None:
        """Stop now: sources and sinks are closed, items under way are discarded. From any thread."""
        if is_forked(self.pid):
            return  # a copy of the run, without its threads
        with self._lock:
            if self.result is not None or (self.state in ("completed", "failed", "cancelled") and not self._open_sinks):
                return
            if self.error is None and (self.commit.is_decided or not self._open_sinks):
                self.state = "draining"  # everything is written and being closed; only sources are left
            else:
                self.is_cancelled = True
                if self.error is None:
                    self.state = "cancelled"
        self.main.call(self.safepoint.abandon)
        for scheduler in dict.fromkeys(self.schedulers.values()):
            scheduler.call(partial(self._cancel_domain, scheduler))

    def _cancel_tasks(self) -> None:
        self._cut |= self._tasks
        for task in list(self._tasks):
            task.cancel()

    def _cancel_domain(self, scheduler: FlowScheduler) -> None:
        if scheduler is self.main and not self._has_cancelled_tasks:
            self._has_cancelled_tasks = True
            self._cancel_tasks()  # before the nodes spawn closing tasks, which must not be cancelled
        for node in self.program.nodes.values():
            if node.domain is scheduler.domain and not (self.commit.is_decided and isinstance(node, SinkNode)):
                node.cancel()

    def _broken(self, reason: BaseException) -> None:
        """Fail the run after an error outside of all nodes: unfinished work cannot end by itself."""
        self.fail(as_exception(reason, "run"))
        self.cancel()

    def abort(self, reason: BaseException) -> None:
        """Cancel from the main domain's own thread, where something has got through every guard."""
        self._crashed(self.main, reason)

    def _crashed(self, scheduler: FlowScheduler, reason: BaseException) -> None:
        """Fail the run after a BaseException that ended a domain's driver; on its thread."""
        if isinstance(reason, GeneratorExit | asyncio.CancelledError):
            self.cancel()
        else:
            self._broken(reason)
        self._cancel_domain(scheduler)

    def finish(self) -> RunResult:
        """Join the threads, settle the books. Called once, when the main driver has left."""
        stuck = self._join()
        # Nodes of a stuck domain are still in use by its thread.
        for node in self.program.nodes.values():
            if all(node.domain is not scheduler.domain for scheduler in stuck):
                node.cancel()
        if not stuck:
            self.program.give_up_unread()
        if self.error is not None or self.is_cancelled:
            self.program.discard_waiting()
        self._ended = self.clock.now()
        was_cut = self.is_cancelled and not self.was_suspended
        self.state = "failed" if self.error is not None else "cancelled" if was_cut else "completed"
        stats = self.stats()
        is_whole = self.state == "completed" and not self.was_drained
        problems = [] if stuck else self.program.problems(is_whole=is_whole)
        if problems and self.error is None:
            self.error = unbalanced(problems)
        if self.error is not None and self.state != "failed":  # the books do not balance, or held() has failed
            self.state = "failed"
            stats = replace(stats, state="failed")
        self.result = RunResult(
            self.plan.dag,
            self.state,
            stats,
            self.error,
            self.was_drained,
            tuple(problems),
            dict(self._values),
            self.signal,
            None if self.checkpointing is None else self.checkpointing.last,
        )
        self.events.ended(self.result)
        if self.checkpointing is not None:
            self.checkpointing.close()
        with self._lock:
            self.done.set()
        for fn in self._on_done:
            fn()
        return self.result

    def _join(self) -> list[FlowScheduler]:
        """Wait for the threads; name those whose user code does not return."""
        stuck: list[FlowScheduler] = []
        for scheduler in dict.fromkeys(self.schedulers.values()):
            scheduler.stop()
        for driver in self.threads:
            if not driver.join(JOIN_S):
                scheduler = next(s for s in self.schedulers.values() if s.thread == driver.thread.ident)
                stuck.append(scheduler)
                self.events.stuck(scheduler, JOIN_S)
        return stuck

    def on_done(self, fn: Callable[[], object]) -> None:
        """Call `fn` when the run has ended, on the thread that ended it; at once if it has ended already."""
        with self._lock:
            if not self.done.is_set():
                self._on_done.append(fn)
                return
        fn()

    def stats(self) -> RunStats:
        """Return the current books; of a suspended run, those of its last checkpoint."""
        if self.was_suspended and self.checkpointing is not None and self.checkpointing.books is not None:
            books = self.checkpointing.books
            return replace(books, state=self.state, checkpoints=self.checkpointing.stats(books.elapsed_s))
        return stats_of(self, ((self._ended or self.clock.now()) - self._began) / 1e9)
