"""Runs step by step in virtual time: push an item, settle, move the clock, look."""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from rxdag.contract import (
    END,
    IDLE,
    Chunk,
    Duration,
    Publisher,
    Read,
    Reader,
    Shape,
    Sink,
    Source,
    SourceContext,
    duration_ns,
)
from rxdag.errors import GraphError, shown
from rxdag.graph import Dag, SinkNode
from rxdag.plan import Plan, compile
from rxdag.runtime import Execution, RunResult, RunStats, planned, publisher_of
from rxdag.schedulers import LoopDriver, VirtualClock, VirtualLoop

T = TypeVar("T")


class _Hand(Reader):
    """Gives what was pushed, one push a read."""

    def __init__(self, entry: Input, context: SourceContext) -> None:
        self._entry = entry
        self._context = context
        entry.reader = self

    def wake(self) -> None:
        self._context.wake()

    def read(self, max_items: int) -> Read:
        waiting = self._entry.waiting
        if not waiting:
            return None
        what = waiting.popleft()
        if isinstance(what, Exception):
            raise what
        return END if what is None else what

    def held(self) -> int:
        return sum(len(what) for what in self._entry.waiting if isinstance(what, Chunk))


@dataclass(frozen=True)
class Manual(Source[T]):
    """A source that a test feeds by hand; `manual` makes one."""

    shape: Shape = Shape()  # noqa: RUF009  # frozen
    label = "manual"

    def open(self, context: SourceContext) -> Reader:
        raise GraphError("manual: a source that is fed by hand runs under testing.start only")


@dataclass(frozen=True)
class _Fed(Source[Any]):
    """A manual source in one run."""

    entry: Input
    shape: Shape = Shape()  # noqa: RUF009  # frozen
    label = "manual"

    def open(self, context: SourceContext) -> Reader:
        return _Hand(self.entry, context)


def manual(of: type[T] | None = None, *, timed: bool = False) -> Source[T]:
    """A source that a test feeds by hand, under `testing.start`: `run.inputs["name"].push(item)`.

    Args:
        of: Type of the items, where fields are given by name.
        timed: True to push event times and watermarks too.
    """
    return Manual(Shape(of, timed=timed))


class Input:
    """One source of a `VirtualRun`, fed by hand. Nothing moves before the run settles."""

    def __init__(self, name: str, *, timed: bool) -> None:
        self._name = name
        self._timed = timed
        self.waiting: deque[Chunk | Exception | None] = deque()
        self.reader: _Hand | None = None

    def push(self, *items: Any, ts: int | None = None, sequence: int = 0) -> None:
        """Have items come, all at one event time, ns, if the source has it."""
        if (ts is not None) != self._timed:
            raise GraphError(f'input "{self._name}": ts goes with a source that has event time, and only with it')
        timed = self._timed
        for item in items:
            self._put(Chunk([item], [ts or 0] if timed else None, [sequence] if timed else None))

    def watermark(self, ts: int) -> None:
        """Say that no item at or below that time, ns, is to come."""
        self._put(Chunk([], marks=((0, ts),)))

    def idle(self) -> None:
        """Say that nothing will come for a while."""
        self._put(Chunk([], marks=((0, IDLE),)))

    def complete(self) -> None:
        """Have the source end."""
        self._put(None)

    def error(self, error: Exception) -> None:
        """Have the source fail."""
        self._put(error)

    def _put(self, what: Chunk | Exception | None) -> None:
        self.waiting.append(what)
        if self.reader is not None:
            self.reader.wake()


class VirtualRun:
    """A run in virtual time that goes on only when it is told to.

    Attributes:
        inputs: Sources that are fed by hand, by name.
    """

    def __init__(self, execution: Execution, inputs: dict[str, Input], *, slice_s: float = float("inf")) -> None:
        clock = execution.clock
        if not isinstance(clock, VirtualClock):
            raise TypeError("VirtualRun: the run must be on a virtual clock")
        self.execution = execution
        self.inputs = inputs
        self._clock = clock
        self._slice_s = slice_s
        self._seen: dict[str, list[Any]] = {}
        self._result: RunResult | None = None
        self._loop = VirtualLoop(clock)
        self._driver: LoopDriver | None = None
        execution.loop = self._loop
        weakref.finalize(self, self._loop.close).atexit = False  # a run that is dropped leaves nothing open
        for name, node in execution.plan.dag.nodes.items():
            if isinstance(node.thing, Sink):
                seen = _Seen()
                self._seen[name] = seen.items
                execution.program.observe(name, seen, execution)
        self._loop.call_soon(self._begin)

    def _begin(self) -> None:
        execution = self.execution
        self._driver = LoopDriver(
            execution.main, self._loop, execution.is_done, execution.check_stall, slice_s=self._slice_s
        )
        execution.open()
        self._driver.start()

    @property
    def now(self) -> int:
        """The virtual time, ns; it begins at 0."""
        return self._clock.now()

    @property
    def is_done(self) -> bool:
        """True once everything has ended."""
        return self.execution.is_done()

    def settle(self) -> None:
        """Do all that can be done at this instant."""
        self._loop.run_up_to(self.now)

    def advance(self, by: Duration, /) -> None:
        """Settle, then move the clock, doing what is due on the way."""
        end = self.now + duration_ns(by, "advance: by")
        self.settle()
        self._loop.run_up_to(end)
        self._clock.advance_to(end)

    def drain(self, *, flush: bool = False) -> None:
        """Read no more, and let what is under way go through; see `Run.drain`."""
        self.execution.drain(flush=flush)

    def cancel(self) -> None:
        """Stop at once."""
        self.execution.cancel()

    def publisher(self, name: str, /) -> Publisher[Any]:
        """A `sinks.publisher()` of the run; what its subscribers do takes effect as the run settles.

        Raises:
            GraphError: If there is no such sink.
        """
        return publisher_of(self.execution, name)

    def __getitem__(self, sink: SinkNode[T, Any]) -> list[T]:
        """What came to a sink so far."""
        names = [name for name, node in self.execution.plan.dag.nodes.items() if node.identity is sink.node.identity]
        if not names:
            raise GraphError(f"run: has no such sink, got {shown(sink)}")
        return list(self._seen[names[0]])

    def seen(self, sink: str) -> list[Any]:
        """What came to a sink so far, by its name."""
        return list(self._seen[sink])

    def stats(self) -> RunStats:
        """The books as they stand."""
        return self.execution.stats()

    def finish(self) -> RunResult:
        """Go on until nothing is left to happen, and return the books, whatever the end is.

        A run that waits for its inputs then is drained.
        """
        if self._result is None:
            self._loop.run_up_to(None)
            if not self.execution.is_done():
                self.execution.drain()
                self._loop.run_up_to(None)
            if not self.execution.is_done():  # nobody asks for what is left
                self.execution.cancel()
                self._loop.run_up_to(None)
            self._result = self.execution.finish()
            self._loop.run_up_to(self.now)
            self._loop.close()
        return self._result


class _Seen:
    """Notes the items that come to a sink."""

    def __init__(self) -> None:
        self.items: list[Any] = []

    def on_next(self, chunk: Chunk, /) -> None:
        self.items += chunk.items

    def end(self, error: Exception | None, /) -> None: ...


def start(
    *what: Dag | Plan | SinkNode[Any, Any],
    replace: Mapping[str, Source[Any] | Sink[Any, Any]] | None = None,
    inputs: Iterable[str] = (),
    seed: int = 0,
) -> VirtualRun:
    """Start a run in virtual time that goes on step by step.

    Args:
        what: Sinks, or one Dag, or one Plan.
        replace: Other sources or sinks, by name.
        inputs: Sources to feed by hand, by name; those made with `testing.manual` are so anyhow.
        seed: Of what varies at random, as waits before another try.

    Raises:
        GraphError: If a name is not known, or a plan is given together with what changes it.
    """
    plan = planned(what, "start")
    dag = plan.dag
    if replace:
        dag = dag.replace(replace)
    unknown = [name for name in inputs if name not in dag.sources]
    if unknown:
        raise GraphError(
            f"start: inputs must be sources of the dag, {', '.join(dag.sources)}, got {', '.join(unknown)}"
        )
    entries: dict[str, Input] = {}
    fed: dict[str, Source[Any] | Sink[Any, Any]] = {}
    for name in dag.sources:
        source = dag.nodes[name].thing
        if isinstance(source, Source) and (name in inputs or isinstance(source, Manual)):
            entries[name] = Input(name, timed=source.shape.timed)
            fed[name] = _Fed(entries[name], _plain(source.shape))
    if fed:
        dag = dag.replace(fed)
    if fed or replace:
        plan = compile(dag)
    return VirtualRun(Execution(plan, VirtualClock(), seed=seed), entries)


def _plain(shape: Shape) -> Shape:
    """The shape of a source that gives rows."""
    return replace(shape, keyed=False)
