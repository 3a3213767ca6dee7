"""Recordings: the items of a source, moment by moment; and traces: the events of a run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from rxdag.contract import (
    END,
    IDLE,
    MIN,
    Chunk,
    Read,
    Reader,
    ReaderAround,
    Saw,
    Shape,
    Source,
    SourceAround,
    SourceContext,
)
from rxdag.engine import SinkNode, SourceNode
from rxdag.errors import GraphError, shown
from rxdag.testing._stepping import VirtualRun

_MS = 1_000_000


class _Player(Reader):
    def __init__(self, moments: Sequence[tuple[str, int, Any]], context: SourceContext, *, hot: bool) -> None:
        now = context.clock.now()
        self._moments = moments
        self._context = context
        self._began = 0 if hot else now
        self._hot = hot
        self._at = 0
        if hot and now:  # events before it was opened are missed, except the end
            while self._at < len(moments) and moments[self._at][0] == "n" and moments[self._at][1] <= now:
                self._at += 1

    def position(self) -> tuple[int, int]:
        """Return the number of moments that are over, and the time since its beginning, ns."""
        return self._at, self._context.clock.now() - self._began

    def seek(self, position: tuple[int, int]) -> None:
        self._at, passed = position
        if not self._hot:
            self._began -= passed

    def read(self, max_items: int) -> Read:
        if self._at == len(self._moments):
            return None
        kind, after, value = self._moments[self._at]
        at = self._began + after
        if at > self._context.clock.now():
            self._context.wake_at(at)
            return None
        if kind == "e":
            raise value
        if kind == "c":
            return END
        self._at += 1
        return Chunk([value])


@dataclass(frozen=True)
class _Recording(Source[Any]):
    moments: tuple[tuple[str, int, Any], ...] = field(repr=False)
    hot: bool
    label = "recording"
    shape = Shape()
    no_position = None

    def open(self, context: SourceContext) -> Reader:
        return _Player(self.moments, context, hot=self.hot)


def recording(moments: Iterable[Sequence[Any]], /, *, hot: bool = True) -> Source[Any]:
    """Replay recorded moments of a source in virtual time.

    For example: `recording([("n", 10, x), ("c", 30)])`.

    Args:
        moments: ("n", ms, item) for an item, ("c", ms) for the end, ("e", ms, error) for a failure; times must not
            decrease. Without an end, the source stays open.
        hot: True if the times are those of the run, so that earlier moments are missed; False if they start when the
            source is opened.

    Raises:
        GraphError: If a moment is invalid, or times decrease.

    Example:
        >>> prices = testing.recording([("n", 10, 50_000.0), ("n", 20, 50_001.5), ("c", 30)])
        >>> out = rxdag.from_source(prices).to(sinks.collect(), name="out")
        >>> testing.run_virtual(out)["out"]
        [50000.0, 50001.5]
    """
    made: list[tuple[str, int, Any]] = []
    for moment in moments:
        kind, at, *value = moment
        if kind not in ("n", "c", "e") or len(value) != (kind != "c") or (kind == "e" and not _is_error(value[0])):
            raise GraphError(
                f'recording: a moment must be ("n", ms, item), ("c", ms) or ("e", ms, error), got {shown(moment)}'
            )
        if made and at * _MS < made[-1][1]:
            raise GraphError(f"recording: times must not decrease, got {at} ms after {made[-1][1] // _MS} ms")
        made.append((kind, at * _MS, value[0] if value else None))
    return _Recording(tuple(made), hot)


def _is_error(value: object) -> bool:
    return isinstance(value, Exception)


class _WatchedReader(ReaderAround):
    """Counts the reads, and notes when it is closed."""

    def __init__(self, reader: Reader, context: SourceContext, trace: Trace, name: str) -> None:
        super().__init__(reader)
        self._context = context
        self._trace = trace
        self._name = name
        self._span = [context.clock.now(), -1]
        trace.spans.setdefault(name, []).append(self._span)

    def read(self, max_items: int) -> Read:
        self._trace.sizes.setdefault(self._name, []).append(max_items)
        return super().read(max_items)

    def close(self) -> None:
        self._span[1] = self._context.clock.now()
        super().close()

    async def aclose(self) -> None:
        self._span[1] = self._context.clock.now()
        await super().aclose()


@dataclass(frozen=True)
class _Watched(SourceAround[Any]):
    source: Source[Any]
    trace: Trace
    name: str

    def open(self, context: SourceContext) -> Reader:
        return _WatchedReader(self.source.open(context), context, self.trace, self.name)


class _Marks:
    """Notes the watermarks that come out of a node, and when it falls idle or is active again."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, Any]] = []
        self._last = MIN
        self._is_idle = False

    def on_next(self, chunk: Chunk, /) -> None:
        marks = list(chunk.marks)
        if self._is_idle and (chunk.items or any(mark != IDLE for _, mark in marks)):
            self._is_idle = False
            self.seen.append(("status", "ACTIVE"))
        for _, mark in marks:
            if mark == IDLE:
                self._is_idle = True
                self.seen.append(("status", "IDLE"))
            elif mark > self._last:
                self._last = mark
                self.seen.append(("wm", mark))

    def end(self, error: Exception | None, /) -> None: ...


class Trace:
    """A record of a run, from the call of `trace` on."""

    def __init__(self, run: VirtualRun) -> None:
        self._run = run
        self._marks: dict[str, _Marks] = {}
        self.spans: dict[str, list[list[int]]] = {}
        self._signals: list[tuple[str, str, Any]] = []
        self.sizes: dict[str, list[int]] = {}
        program = run.execution.program
        for each in program.nodes.values():
            if isinstance(each, SourceNode):
                each.source = _Watched(each.source, self, each.name)
            if isinstance(each, SourceNode | SinkNode):
                each.saw = self._saw(each.name)
        for edge, gate in program.gates.items():
            gate.saw = self._saw(str(edge))
        for name, node in run.execution.plan.dag.nodes.items():
            if name in program.watermarks() and node.ports:
                marks = self._marks[name] = _Marks()
                program.observe(name, marks, run.execution)

    def watermarks(self, node: str, /) -> list[tuple[str, Any]]:
        """Return the watermarks emitted by a node, in order.

        They are ("wm", ns), ("status", "IDLE") and ("status", "ACTIVE").

        Raises:
            GraphError: If the node has no visible watermark.
        """
        if node not in self._marks:
            raise GraphError(f"trace: watermarks can be seen of {', '.join(self._marks) or 'no node'}, got {node}")
        return list(self._marks[node].seen)

    def subscriptions(self, source: str, /) -> list[tuple[int, int]]:
        """Return when a source was opened and closed, ns; closed is -1 while it is open."""
        return [(opened, closed) for opened, closed in self.spans.get(source, ())]

    def reads(self, source: str, /) -> int:
        """Return how often a source was asked for items."""
        return len(self.sizes.get(source, ()))

    def _saw(self, where: str) -> Saw:
        def saw(kind: str, value: object = None, /) -> None:
            self._signals.append((where, kind, value))

        return saw

    def signals(self, *where: str) -> list[tuple[str, Any]]:
        """Return the signals of queues, gates and publishers, in order, as (kind, value).

        For a source with its own queue, and for a gate: "blocked", "resumed", "dropped", "ignored" (arrived after the
        end), "upstream_cancel". For a publisher: "next", "complete", "error".

        Args:
            where: Names of nodes, or of gates as in `explain()`; by default all of them.
        """
        return [(kind, value) for place, kind, value in self._signals if not where or place in where]

    def requests(self, source: str, /) -> list[int]:
        """Return how many items each read of a source requested."""
        return list(self.sizes.get(source, ()))

    def gates(self) -> dict[str, tuple[int, int]]:
        """Return the current and the highest number of items in each gate, by edge."""
        return {edge: (gate.depth, gate.high_water) for edge, gate in self._run.stats().gates.items()}


def trace(run: VirtualRun, /) -> Trace:
    """Record watermarks, gates, subscriptions and reads of a run, before it settles.

    Example:
        >>> numbers = rxdag.from_source(sources.range(3), name="numbers")
        >>> run = testing.start(numbers.buffered(max_items=2).to(sinks.null(), name="out"))
        >>> seen = testing.trace(run)
        >>> run.settle()
        >>> seen.subscriptions("numbers")
        [(0, 0)]
    """
    return Trace(run)
