"""Hand-over: how chunks get from node to node inside a segment, in constant depth and in exact order."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Protocol, TypeAlias

from reactivex import Observable, abc
from reactivex.disposable import Disposable
from reactivex.subject import Subject

from rxdag.contract import Chunk


class Inlet(Protocol):
    """Where an edge ends: an input of a node, or a gate."""

    def on_next(self, chunk: Chunk, /) -> None: ...
    def end(self, error: Exception | None, /) -> None:
        """The edge has ended; `error` is None if it completed."""
        ...


Work: TypeAlias = tuple[Callable[[Any], None], Any]


class Handover:
    """The work that waits inside a segment: a stack, so that an item is through before the next one enters.

    What a call hands over is put on the stack in its order, last first. So the order is that of nested calls,
    and the depth does not grow with the graph.
    """

    __slots__ = ("fresh", "stack", "suspended_by")

    def __init__(self) -> None:
        self.stack: list[Work] = []
        self.fresh: list[Work] = []
        self.suspended_by: Hashable | None = None

    def run(self) -> None:
        """Work until nothing waits, or a node suspends itself for want of room."""
        stack, fresh = self.stack, self.fresh
        while True:
            if len(fresh) == 1 and self.suspended_by is None:  # by far the most
                fn, arg = fresh.pop()
                fn(arg)
                continue
            if fresh:
                fresh.reverse()
                stack += fresh
                fresh.clear()
            if not stack or self.suspended_by is not None:
                return
            fn, arg = stack.pop()
            fn(arg)

    def suspend(self, owner: Hashable, resume: Callable[[Any], None]) -> None:
        """Leave off here; `resume(None)` is what goes on when the owner has room."""
        self.stack.append((resume, None))
        self.suspended_by = owner

    def set_aside(self) -> list[Work]:
        """Take out the work that was suspended."""
        self.suspended_by = None
        stack, self.stack = self.stack, []
        return stack


class Port(Subject[Chunk]):
    """One output of a node: a reactivex subject of chunks that hands over instead of calling down.

    One thread at a time uses it (the scheduler of its segment), so no lock is taken.
    """

    def __init__(self, handover: Handover, on_unused: Callable[[], None] | None = None) -> None:
        super().__init__()
        self._handover = handover
        self._inlets: tuple[Inlet, ...] = ()
        self._watchers: tuple[Inlet, ...] = ()
        self._nexts: tuple[Callable[[Chunk], None], ...] = ()
        self._on_unused = on_unused
        self.is_ended = False
        self.is_seen = False
        """True if anybody gets what it hands over."""

    @property
    def inlets(self) -> tuple[Inlet, ...]:
        return self._inlets

    def watch(self, inlet: Inlet) -> None:
        """Have an inlet see what is handed over; it keeps no node alive."""
        self._watchers = (*self._watchers, inlet)
        self._set(self._inlets)

    def attach(self, inlet: Inlet) -> None:
        """Connect an edge."""
        self._set((*self._inlets, inlet))

    def detach(self, inlet: Inlet) -> None:
        """Disconnect an edge; a port that has lost its last one tells its node."""
        if inlet not in self._inlets:
            return
        self._set(tuple(i for i in self._inlets if i is not inlet))
        if not self._inlets and self._on_unused is not None and not self.is_ended:
            self._on_unused()

    def _set(self, inlets: tuple[Inlet, ...]) -> None:
        self._inlets = inlets
        self._nexts = tuple(i.on_next for i in (*self._watchers, *inlets))
        self.is_seen = bool(self._nexts)

    def on_next(self, value: Chunk) -> None:
        fresh = self._handover.fresh
        for on_next in self._nexts:
            fresh.append((on_next, value))

    def on_error(self, error: Exception) -> None:
        self.end(error)

    def on_completed(self) -> None:
        self.end(None)

    def end(self, error: Exception | None) -> None:
        """Hand over the terminal signal; once."""
        if self.is_ended:
            return
        self.is_ended = True
        for inlet in (*self._watchers, *self._inlets):
            self._handover.fresh.append((inlet.end, error))

    def _subscribe_core(
        self, observer: abc.ObserverBase[Chunk], scheduler: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        inlet = _Observed(observer)
        self.watch(inlet)
        return Disposable(lambda: self._unwatch(inlet))

    def _unwatch(self, inlet: Inlet) -> None:
        self._watchers = tuple(w for w in self._watchers if w is not inlet)
        self._set(self._inlets)


class _Observed:
    """A reactivex observer on a port."""

    def __init__(self, observer: abc.ObserverBase[Chunk]) -> None:
        self._observer = observer

    def on_next(self, chunk: Chunk, /) -> None:
        self._observer.on_next(chunk)

    def end(self, error: Exception | None, /) -> None:
        if error is None:
            self._observer.on_completed()
        else:
            self._observer.on_error(error)


def items_of(port: Observable[Chunk]) -> Observable[Any]:
    """The items of a port, one by one."""

    def subscribe(observer: abc.ObserverBase[Any], scheduler: abc.SchedulerBase | None = None) -> abc.DisposableBase:
        def on_next(chunk: Chunk) -> None:
            for item in chunk.rows().items:
                observer.on_next(item)

        return port.subscribe(on_next, observer.on_error, observer.on_completed, scheduler=scheduler)

    return Observable(subscribe)
