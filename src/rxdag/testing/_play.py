"""Marbles: an operator's behaviour in time, as a line of text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, TypeVar

from rxdag.contract import Aggregate, Chunk, Sink, SinkContext, Writer
from rxdag.errors import GraphError
from rxdag.graph import Dag, Stream, from_source
from rxdag.operators import Operator
from rxdag.plan import compile
from rxdag.runtime import warn_of_losses
from rxdag.sinks import collect
from rxdag.testing._sources import Chunked, Timeline
from rxdag.testing._virtual import run_virtual, settle_virtual, virtual

A = TypeVar("A")
B = TypeVar("B")
R = TypeVar("R")

_SECOND: Final = 1_000_000_000


class MarbleError(Exception):
    """Raised by `#` in a line of marbles."""


def parse(marbles: str) -> tuple[list[tuple[int, str]], int | None, bool]:
    """Return the items with their times in ns, the time of the end, and whether it is a failure."""
    items: list[tuple[int, str]] = []
    now = 0
    group: int | None = None
    end: int | None = None
    is_error = False
    for at, mark in enumerate(marbles):
        when = now if group is None else group
        if end is not None and mark != ")":
            raise GraphError(f'play: nothing may come after the end, got {mark!r} at {at} in "{marbles}"')
        if mark == "(" and group is None:
            group = now
        elif mark == ")" and group is not None:
            group = None
            now += _SECOND
        elif mark in "()" or (mark == "-" and group is not None):
            raise GraphError(f'play: groups must be (ab), got {mark!r} at {at} in "{marbles}"')
        else:
            if mark in "|#":
                end, is_error = when, mark == "#"
            elif mark != "-":
                items.append((when, mark))
            if group is None:
                now += _SECOND
    if group is not None:
        raise GraphError(f'play: a group must be closed, got "{marbles}"')
    return items, end, is_error


class _Recorder(Sink[Any, None], Writer):
    """A sink that keeps the time of everything."""

    label = "recorder"

    def __init__(self) -> None:
        self.events: list[tuple[int, str]] = []
        self._context: SinkContext | None = None

    def open(self, context: SinkContext) -> Writer:
        self._context = context
        return self

    def _now(self) -> int:
        return 0 if self._context is None else self._context.clock.now()

    def write(self, chunk: Chunk) -> None:
        for item in chunk.items:
            text = str(item)
            self.events.append((self._now(), text if len(text) == 1 else f"[{text}]"))

    def close(self, *, ok: bool) -> None:
        self.events.append((self._now(), "|" if ok else "#"))


def draw(events: list[tuple[int, str]]) -> str:
    """Return events as a line of marbles."""
    out: list[str] = []
    for second in range(max((when for when, _ in events), default=-_SECOND) // _SECOND + 1):
        here = [text for when, text in events if when // _SECOND == second]
        out.append(f"({''.join(here)})" if len(here) > 1 else "".join(here) or "-")
    return "".join(out)


def play(op: Operator[str, Any], marbles: str, /) -> str:
    """Run an operator over a line of marbles, and return the output as another line.

    The run is in virtual time. A letter is an item, "-" a second without items, "(ab)" several items in one second, "|"
    the end, "#" a failure. Each of these takes one second. An output longer than one letter is shown as "[text]".
    Without an end, the operator is drained after the last marble.

    Args:
        op: An operator on letters.
        marbles: The input.

    Raises:
        GraphError: If the line is invalid.

    Example:
        >>> play(ops.map(str.upper), "a-(bc)|")
        'A-(BC)|'
    """
    items, end, is_error = parse(marbles)
    source: Timeline[str] = Timeline(tuple(items), end, MarbleError("#") if is_error else None)
    recorder = _Recorder()
    stream: Stream[Any] = from_source(source).pipe(op)
    plan = compile(Dag(stream.to(recorder), name="play"))
    last = max((when for when, _ in items), default=0)
    settle_virtual(virtual(plan, until=None if end is not None else f"{last + 1}ns"))
    events = recorder.events
    if end is None:
        events = [event for event in events if event[1] not in "|#"]
    return draw(events)


def feed(op: Operator[A, B], items: Iterable[A], /) -> list[B]:
    """Run an operator over items in virtual time, and return the output.

    It warns (GraphWarning) of items that are late, dead, unrouted or otherwise lost, as `collect` does.

    Example:
        >>> feed(ops.scan(0, lambda total, x: total + x), [1, 2])
        [1, 3]
    """
    kept = from_source(Chunked((tuple(items),))).pipe(op).to(collect())
    result = run_virtual(kept)
    warn_of_losses(result)
    return result[kept]


def aggregate(of: Aggregate[A, R], items: Iterable[A], /) -> R:
    """Run an aggregate over items with increasing times, and return its result.

    Example:
        >>> aggregate(agg.count(), "abc")
        3
    """
    accumulator = of.accumulator()
    for ts, item in enumerate(items):
        accumulator.add_at(item, ts, 0)
    return accumulator.result()
