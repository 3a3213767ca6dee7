"""A sink that subscribers read, each as it asks: the slowest of them sets the pace."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from rxdag.contract import NOT_TAKEN_BACK, Chunk, Enough, Saw, Sink, SinkContext, Subscriber, Writer, unseen
from rxdag.errors import GraphError, RxDagError, shown

T = TypeVar("T")

_MOST: Final = 2**63 - 1


class Subscribed:
    """One subscriber of a run, and how much it has asked for: its `Subscription`."""

    def __init__(self, subscriber: Subscriber[Any]) -> None:
        self.subscriber = subscriber
        self.demand = 0
        self.is_over = False
        self._hub: Hub | None = None
        self._lock = threading.Lock()
        self._error: Exception | None = None
        self._saw: Saw = unseen

    def request(self, n: int, /) -> None:
        if self.is_over:
            return
        if isinstance(n, bool) or not isinstance(n, int) or n < 1:
            self._error = GraphError(f"request: n must be 1 or more, got {shown(n)}")
        else:
            with self._lock:
                # By rule 3.17 of Reactive Streams, a demand of 2**63 - 1 is unbounded.
                self.demand = min(self.demand + n, _MOST)
        if self._hub is not None:
            self._hub.asked(self)

    def cancel(self) -> None:
        if not self.is_over:
            self.is_over = True
            if self._hub is not None:
                self._hub.asked(self)

    def enter(self, hub: Hub) -> None:
        """Attach to a run."""
        self._hub = hub
        self._saw = hub.saw

    def give(self, item: Any) -> None:
        """Send an item that was requested."""
        with self._lock:
            self.demand -= 1
        self._saw("next", item)
        try:
            self.subscriber.on_next(item)
        except BaseException:
            self.is_over = True  # by rule 2.13 this counts as a cancel
            raise

    def refuse(self) -> bool:
        """End it if its request was invalid; True if it has ended."""
        if not self.is_over and self._error is not None:
            self.end(self._error)
        return self.is_over

    def end(self, error: Exception | None) -> None:
        """Send the end, once."""
        if self.is_over:
            return
        self.is_over = True
        if error is None:
            self._saw("complete")
            self.subscriber.on_complete()
        else:
            self._saw("error", error)
            self.subscriber.on_error(error)


class Hub(Writer):
    """The subscribers of one run."""

    def __init__(self, context: SinkContext) -> None:
        self._context = context
        self.saw: Saw = context.saw or unseen
        self._all: tuple[Subscribed, ...] = ()
        self._is_writing = False
        self._end: tuple[Exception | None] | None = None

    def add(self, subscribed: Subscribed) -> None:
        """Add a subscriber to the items from now on; in the domain of the sink."""
        subscribed.enter(self)
        if self._end is not None:
            subscribed.end(*self._end)
            return
        if not subscribed.refuse():
            self._all = (*self._all, subscribed)
        elif not self._all:
            self._context.enough()

    def asked(self, subscribed: Subscribed) -> None:
        """Note that a subscriber has requested items or left. Thread-safe."""
        # Not for a request during a write: the node reads `want` after it anyway.
        if not self._is_writing or subscribed.is_over:
            self._context.call(self._look)

    def _look(self) -> None:
        if self._end is None and self._sweep() and not self._all:
            self._context.enough()

    def _sweep(self) -> bool:
        """Remove subscribers that have left; True if there were any."""
        before = len(self._all)
        self._all = tuple(each for each in self._all if not each.refuse())
        return len(self._all) < before

    def want(self) -> int | None:
        return min((each.demand for each in self._all if not each.is_over), default=0)

    def write(self, chunk: Chunk) -> None:
        self._is_writing = True
        try:
            for index, item in enumerate(chunk.items):
                if all(each.is_over for each in self._all):
                    raise Enough(index)
                for each in self._all:
                    if not each.is_over:
                        each.give(item)
        finally:
            self._is_writing = False
        if self._sweep() and not self._all:
            raise Enough(len(chunk.items))

    def close(self, *, ok: bool) -> None:
        error = None if ok else self._context.error or RxDagError("run: was cancelled")
        self._end = (error,)
        failed: list[BaseException] = []
        for each in self._all:
            try:
                each.end(error)
            except BaseException as raised:  # the others must also be notified
                failed.append(raised)
        self._all = ()
        if failed:
            raise failed[0]


@dataclass(frozen=True)
class PublisherSink(Sink[T, None]):
    """A sink that subscribers read; `sinks.publisher` makes one."""

    label = "publisher"
    why_repeats = NOT_TAKEN_BACK
    paces = True

    def open(self, context: SinkContext) -> Writer:
        return Hub(context)


def publisher() -> Sink[Any, None]:
    """Deliver items to subscribers on demand (Reactive Streams).

    Subscribe with `run.publisher(name).subscribe(subscriber)`. All subscribers of a run receive the same items in
    lock-step: the one that has requested the least sets the pace, and nothing flows without subscribers. A later
    subscriber receives only later items; one that cancels no longer counts. When the last one cancels, the sink accepts
    no more items, and nodes that only it needs stop. A subscriber that raises fails the run.

    Example:
        >>> rxdag.from_source(sources.range(3)).to(sinks.publisher(), name="numbers")
        <SinkNode publisher "numbers">
    """
    return PublisherSink[Any]()
