"""Runs step by step in virtual time: push an item, settle, move the clock, look."""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar, overload

from rxdag.contract import (
    END,
    IDLE,
    RECEIVES,
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
    format_ns,
)
from rxdag.engine.drivers import LoopDriver, VirtualClock, VirtualLoop
from rxdag.errors import GraphError, did_you_mean, shown
from rxdag.graph import Dag, SinkNode
from rxdag.plan import Plan, compile
from rxdag.runtime import Execution, RunResult, RunStats, planned, publisher_of
from rxdag.testing._virtual import clock_of

T = TypeVar("T")


class _Hand(Reader):
    """Delivers pushed items, one push per read."""

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
    """A source that a test feeds by hand; created by `manual`."""

    shape: Shape = Shape()  # noqa: RUF009  # frozen
    label = "manual"
    no_position = RECEIVES

    def open(self, context: SourceContext) -> Reader:
        raise GraphError("manual: a source that is fed by hand runs under testing.start only")


@dataclass(frozen=True)
class _Fed(Source[Any]):
    """A manual source in one run."""

    entry: Input
    shape: Shape = Shape()  # noqa: RUF009  # frozen
    label = "manual"
    no_position = RECEIVES

    def open(self, context: SourceContext) -> Reader:
        return _Hand(self.entry, context)


def manual(of: type[T] | None = None, *, timed: bool = False) -> Source[T]:
    """Create a source that a test feeds by hand.

    Use it with `testing.start`: `run.inputs["name"].push(item)`.

    Args:
        of: Type of the items, if later nodes name fields.
        timed: True to push event times and watermarks too.

    Example:
        >>> prices = rxdag.from_source(testing.manual(), name="prices")
        >>> run = testing.start(prices.pipe(ops.pairwise()).to(sinks.collect(), name="out"))
        >>> run.inputs["prices"].push(10.0, 11.0, 12.0)
        >>> run.settle()
        >>> run.seen("out")
        [(10.0, 11.0), (11.0, 12.0)]
    """
    return Manual(Shape(of, timed=timed))


class Input:
    """A source of a `VirtualRun`, fed by hand; takes effect when the run settles."""

    def __init__(self, name: str, *, timed: bool) -> None:
        self._name = name
        self._timed = timed
        self.waiting: deque[Chunk | Exception | None] = deque()
        self.reader: _Hand | None = None

    def push(self, *items: Any, ts: int | None = None, sequence: int = 0) -> None:
        """Push items, all at one event time, ns, if the source has event time."""
        if (ts is not None) != self._timed:
            raise GraphError(f'input "{self._name}": ts goes with a source that has event time, and only with it')
        timed = self._timed
        for item in items:
            self._put(Chunk([item], [ts or 0] if timed else None, [sequence] if timed else None))

    def watermark(self, ts: int) -> None:
        """Emit a watermark: no item at or below this time, ns, will follow."""
        self._put(Chunk([], marks=((0, ts),)))

    def idle(self) -> None:
        """Mark the source as idle: no items are expected for a while."""
        self._put(Chunk([], marks=((0, IDLE),)))

    def complete(self) -> None:
        """End the source."""
        self._put(None)

    def error(self, error: Exception) -> None:
        """Fail the source with an error."""
        self._put(error)

    def _put(self, what: Chunk | Exception | None) -> None:
        self.waiting.append(what)
        if self.reader is not None:
            self.reader.wake()


class VirtualRun:
    """A run in virtual time that advances only on request.

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
        self._seen: dict[str, list[Any]] = {}
        self._result: RunResult | None = None
        self._loop = VirtualLoop(clock)
        execution.loop = self._loop
        weakref.finalize(self, self._loop.close).atexit = False  # a dropped run leaves nothing open
        for name, node in execution.plan.dag.nodes.items():
            if isinstance(node.thing, Sink):
                seen = Seen()
                self._seen[name] = seen.items
                execution.program.observe(name, seen, execution)
        self._loop.call_soon(_begin, execution, self._loop, slice_s)  # no method: the loop must not keep the run alive

    def __repr__(self) -> str:
        return f"<VirtualRun {self.execution.plan.dag.name}: {self.execution.state} at {format_ns(self.now)}>"

    @property
    def now(self) -> int:
        """Return the virtual time, ns; it starts at 0, or at the first record of a journal that is read."""
        return self._clock.now()

    @property
    def is_done(self) -> bool:
        """Return True once everything has ended."""
        return self.execution.is_done()

    def settle(self) -> None:
        """Do all work of the current instant."""
        self._loop.run_up_to(self.now)

    def advance(self, by: Duration, /) -> None:
        """Settle, then advance the clock, doing everything that is due on the way."""
        end = self.now + duration_ns(by, "advance: by")
        self.settle()
        self._loop.run_up_to(end)
        self._clock.advance_to(end)

    def drain(self, *, flush: bool = False) -> None:
        """Stop reading, and let everything under way reach the sinks; see `Run.drain`."""
        self.execution.drain(flush=flush)

    def cancel(self) -> None:
        """Stop the run at once."""
        self.execution.cancel()

    def publisher(self, name: str, /) -> Publisher[Any]:
        """Return a `sinks.publisher()` of the run.

        Requests of its subscribers take effect when the run settles.

        Raises:
            GraphError: If there is no such sink.
        """
        return publisher_of(self.execution, name)

    def __getitem__(self, sink: SinkNode[T, Any]) -> list[T]:
        """Return the items received by a sink so far."""
        return self.seen(sink)

    @overload
    def seen(self, sink: SinkNode[T, Any]) -> list[T]: ...
    @overload
    def seen(self, sink: str) -> list[Any]: ...
    def seen(self, sink: SinkNode[Any, Any] | str) -> list[Any]:
        """Return the items that a sink has received so far.

        Args:
            sink: The sink, or its name.

        Raises:
            GraphError: If there is no such sink.
        """
        if isinstance(sink, str):
            if sink not in self._seen:
                raise GraphError(f'run: has no sink "{sink}"{did_you_mean(sink, self._seen)}')
            return list(self._seen[sink])
        for name, node in self.execution.plan.dag.nodes.items():
            if node.identity is sink.node.identity:
                return list(self._seen[name])
        raise GraphError(f"run: has no such sink, got {shown(sink)}")

    def stats(self) -> RunStats:
        """Return the current books."""
        return self.execution.stats()

    def finish(self) -> RunResult:
        """Run until nothing is left to do, and return the result of any outcome.

        A run that then waits for its inputs is drained.
        """
        if self._result is None:
            self._loop.run_up_to(None)
            if not self.execution.is_done():
                self.execution.drain()
                self._loop.run_up_to(None)
            if not self.execution.is_done():  # no one requests the remaining items
                self.execution.cancel()
                self._loop.run_up_to(None)
            self._result = self.execution.finish()
            self._loop.run_up_to(self.now)
            self._loop.close()
            raised = self.execution.main.domain.raised
            if raised is not None:  # by the last act of the run
                raise raised
        return self._result


def _begin(execution: Execution, loop: VirtualLoop, slice_s: float) -> None:
    driver = LoopDriver(execution.main, loop, execution.is_done, execution.check_stall, slice_s=slice_s)
    execution.open()
    driver.start()


class Seen:
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
    """Start a run in virtual time that advances step by step.

    Args:
        what: Sinks, or one Dag, or one Plan.
        replace: Replacement sources or sinks, by name.
        inputs: Names of sources to feed by hand, in addition to those made with `testing.manual`.
        seed: Seed of random choices, such as delays before a retry.

    Raises:
        GraphError: If a name is unknown, or a plan is given together with arguments that change it.

    Example:
        >>> beats = rxdag.from_source(sources.interval("1s"), name="beats").to(sinks.collect(), name="out")
        >>> run = testing.start(beats)
        >>> run.advance("2s")
        >>> run.seen("out")
        [0, 1]
    """
    plan = planned(what, "start")
    dag = plan.dag
    if replace:
        dag = dag.replace(replace)
    check_inputs(dag, inputs, "start")
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
    return VirtualRun(Execution(plan, clock_of(plan), seed=seed), entries)


def check_inputs(dag: Dag, inputs: Iterable[str], where: str) -> None:
    """Check that inputs are sources of the dag.

    Raises:
        GraphError: If one is not.
    """
    unknown = [name for name in inputs if name not in dag.sources]
    if unknown:
        raise GraphError(
            f"{where}: inputs must be sources of the dag, {', '.join(dag.sources)}, got {', '.join(unknown)}"
        )


def _plain(shape: Shape) -> Shape:
    """Return the shape of a source that emits rows."""
    return replace(shape, keyed=False)
