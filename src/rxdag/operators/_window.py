"""Windows: an aggregate for each key and each stretch of event time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Self, TypeVar, overload

from rxdag.contract import (
    MAX,
    Accumulator,
    Aggregate,
    Assigner,
    Duration,
    Emit,
    Kernel,
    Pane,
    Shape,
    WindowOp,
    duration_ns,
)
from rxdag.errors import GraphError
from rxdag.operators._panes import blamed, in_order
from rxdag.operators._window_counted import CountedWindowKernel
from rxdag.operators._window_revised import RevisedWindowKernel

A = TypeVar("A")
B = TypeVar("B")
K = TypeVar("K")
R = TypeVar("R")

_Open = dict[Any, Accumulator[Any, Any]]


class _WindowKernel(Kernel):
    """Open windows by (end, start), each with its keys."""

    state = ("open", "wake")
    passes = False
    splices = ("_add_at",)
    is_quiet = True

    def __init__(self, assigner: Assigner, aggregate: Aggregate[Any, Any], into: Callable[[Any], Any] | None) -> None:
        self._assigner = assigner
        self._assign = assigner.assign
        self._aggregate = aggregate
        sample = aggregate.accumulator()
        self._add_at = type(sample).add_at
        self.shared = type(sample).shared
        for name in self.shared:
            setattr(self, f"shared_{name}", getattr(sample, name))
        self._into = into
        self.grid = assigner.grid
        self.open: dict[tuple[int, int], _Open] = {}
        self.wake = MAX
        self.counts: dict[tuple[int, int], int] = {}
        """Items by the window that holds them, but for those since it is at hand: `_n`, `_other_n`."""
        self._n = self._other_n = 0
        self._at = self._other_at = (0, 0)
        self._low = self._other_low = 1
        self._high = self._other_high = 0
        self._keys: _Open = {}
        self._other_keys: _Open = {}

    def on_item(self, item: Any, ts: int, sequence: int, key: Any, emit: Emit[Any]) -> None:
        if self._low <= ts < self._high:
            keys = self._keys
        elif self._other_low <= ts < self._other_high:
            self._swap()
            keys = self._keys
        else:
            found = self._find(item, ts, emit)
            if found is None:
                return
            if not self._low <= ts < self._high:  # one of several windows, even if the others are closed
                self._add_to_all(found, item, ts, sequence, key)
                return
            keys = found[0]
        accumulator = keys.get(key)
        if accumulator is None:
            accumulator = self._new()
            self._add_at(accumulator, item, ts, sequence)
            keys[key] = accumulator
        else:
            self._add_at(accumulator, item, ts, sequence)
        self._n += 1

    def in_columns(self) -> Kernel | str:
        tumbling = self._assigner.tumbles
        if tumbling is None:
            return "an item can be in several windows"
        arrays = self._aggregate.in_columns()
        if isinstance(arrays, str):
            return arrays
        from rxdag.operators._window_columns import WindowColumnsKernel  # it loads numpy

        return WindowColumnsKernel(tumbling, self.grid, self._aggregate, arrays, self._into)

    def _new(self) -> Accumulator[Any, Any]:
        return self._aggregate.accumulator()

    def blame(self, item: Any, error: Exception) -> Exception:
        return blamed(self._aggregate, item, error)

    def _find(self, item: Any, ts: int, emit: Emit[Any]) -> list[_Open] | None:
        """The live windows of a time; None if there are none, and the item has been counted."""
        windows = self._assign(ts)
        live = [(end, start) for start, end in windows if end - 1 > self.watermark]
        if not live:
            if windows:
                emit.late(item)
            else:
                emit.unassigned(item)
            return None
        found: list[_Open] = []
        for window in live:
            keys = self.open.get(window)
            if keys is None:
                keys = self.open[window] = {}
                self.counts[window] = 0
                self.wake = min(self.wake, window[0] - 1)
            found.append(keys)
        if len(windows) == 1:
            self._settle()
            self._swap()
            self._at = live[0]
            self._low, self._high = windows[0]
            self._keys = found[0]
        return found

    def _swap(self) -> None:
        """Have the other of the two windows at hand: out of order, items fall into now this one, now that."""
        self._low, self._other_low = self._other_low, self._low
        self._high, self._other_high = self._other_high, self._high
        self._keys, self._other_keys = self._other_keys, self._keys
        self._n, self._other_n = self._other_n, self._n
        self._at, self._other_at = self._other_at, self._at

    def _settle(self) -> None:
        """Put the items of the two windows at hand to their counts."""
        if self._n:
            self.counts[self._at] += self._n
            self._n = 0
        if self._other_n:
            self.counts[self._other_at] += self._other_n
            self._other_n = 0

    def _put_away(self) -> None:
        """Have no window at hand."""
        self._settle()
        self._low, self._high = 1, 0
        self._other_low, self._other_high = 1, 0

    def _add_to_all(self, found: list[_Open], item: Any, ts: int, sequence: int, key: Any) -> None:
        """An item of several windows; it is held once, until the last of them is purged: the one that ends last."""
        for keys in found:
            accumulator = keys.get(key)
            if accumulator is None:
                accumulator = self._new()
                accumulator.add_at(item, ts, sequence)
                keys[key] = accumulator
            else:
                accumulator.add_at(item, ts, sequence)
        last = max(window for window, keys in self.open.items() if keys is found[-1])
        self.counts[last] += 1

    def held(self) -> int:
        return sum(self.counts.values()) + self._n + self._other_n

    def on_watermark(self, watermark: int, emit: Emit[Any]) -> None:
        self._put_away()
        self._fire([window for window in self.open if window[0] - 1 <= watermark], "watermark", emit)
        self.wake = min((end for end, _ in self.open), default=MAX + 1) - 1

    def on_end(self, emit: Emit[Any]) -> None:
        self._put_away()
        self._fire(list(self.open), "end", emit)

    def _fire(self, windows: list[tuple[int, int]], closed_by: Any, emit: Emit[Any]) -> None:
        for end, start in sorted(windows):
            keys = self.open.pop((end, start))
            for key in in_order(keys):
                pane: Any = Pane(key, start, end, 0, keys[key].result(), closed_by)
                emit(pane if self._into is None else self._into(pane), ts=end - 1, sequence=0, key=key)
            emit.absorbed(self.counts.pop((end, start)))

    def snapshot(self) -> dict[str, Any]:
        self._settle()
        rows = [
            [end, start, self.counts[end, start], [[key, kept.snapshot()] for key, kept in keys.items()]]
            for (end, start), keys in self.open.items()
        ]
        return {"open": rows, "wake": self.wake}

    def restore(self, saved: dict[str, Any]) -> None:
        self._n = self._other_n = 0
        self.open, self.counts = {}, {}
        for end, start, n, rows in saved["open"]:
            self.counts[end, start] = n
            keys = self.open[end, start] = {}
            for key, state in rows:
                keys[key] = self._new()
                keys[key].restore(state)
        self.wake = saved["wake"]
        self._put_away()


@dataclass(frozen=True)
class _Window(WindowOp[K, A, B]):
    assigner: Assigner
    aggregate: Aggregate[Any, Any]
    into: Callable[[Any], B] | None
    lateness_ns: int = 0
    label = "window"
    needs_event_time = True

    @property
    def ports(self) -> tuple[str, ...]:
        return ("out", "late", "dead")

    def check(self, shape: Shape, where: str) -> None:
        super().check(shape, where)
        if not shape.keyed:
            raise GraphError(f"{where}: needs a keyed stream; put ops.key_by(...) before it")
        self.aggregate.check(shape.item_type, f"{where}: {type(self.aggregate).__name__.strip('_').lower()}")

    def bound(self, shape: Shape) -> Self:
        return replace(self, aggregate=self.aggregate.bound(shape))

    def shape(self, shape: Shape) -> Shape:
        return Shape(Pane if self.into is None else None, timed=True, key_names=shape.key_names)

    def kernel(self) -> Kernel:
        if self.assigner.counts is not None:
            return CountedWindowKernel(*self.assigner.counts, self.aggregate, self.into)
        if self.assigner.merges or self.lateness_ns:
            return RevisedWindowKernel(self.assigner, self.aggregate, self.into, self.lateness_ns)
        return _WindowKernel(self.assigner, self.aggregate, self.into)


@overload
def window(
    assigner: Assigner, aggregate: Aggregate[A, R], /, *, allowed_lateness: Duration = "0s"
) -> WindowOp[K, A, Pane[K, R]]: ...
@overload
def window(
    assigner: Assigner,
    aggregate: Aggregate[A, R],
    /,
    *,
    into: Callable[[Pane[K, R]], B],
    allowed_lateness: Duration = "0s",
) -> WindowOp[K, A, B]: ...
def window(assigner: Assigner, aggregate: Any, /, *, into: Any = None, allowed_lateness: Duration = "0s") -> Any:
    """Aggregate each key over each window of event time.

    A window [start, end) gives out its pane when the watermark reaches end - 1, and when the source ends. Panes that come
    out together do so by end, then start, then key. With allowed lateness, an item for a window that has come out is
    taken in for so much longer, and the pane comes out again at once, its revision one more. Sessions that an item
    joins become one, whose revision is one more than the largest of those that have come out.

    Emits: a `Pane` for each key and window, or `into(pane)`, with event time end - 1.
    Drops: an item whose windows are all closed, and past the allowed lateness, goes to port "late"; one that the
        aggregate refuses to port "dead"; one that falls between windows is counted as `unassigned`.
    Holds: an accumulator for each key and open window, until the watermark has passed its end and the allowed lateness.
    Ends: when the source ends, after the last panes. Fails: when the aggregate or `into` raises.
    Clock: event time.

    Args:
        assigner: Which windows an item belongs to; see `rxdag.windows`.
        aggregate: What to compute; see `rxdag.aggregates`.
        into: A function of the pane; what it returns is emitted instead.
        allowed_lateness: How long after its end a window takes in items that come late.

    Raises:
        GraphError: If the stream has no key or no event time, or a name is no field of the items.

    Example:
        >>> from rxdag import aggregates as agg, windows
        >>> timed = rxdag.from_source(sources.iterable([1, 2, 12])).pipe(ops.event_time(lambda x: x, unit="s"))
        >>> counts = timed.pipe(ops.key_by(lambda x: "all")).pipe(ops.window(windows.tumbling("10s"), agg.count()))
        >>> [(pane.start // 10**9, pane.value) for pane in counts.collect()]
        [(0, 2), (10, 1)]
    """
    if not isinstance(assigner, Assigner):
        raise GraphError(f"window: takes windows first, as windows.tumbling(...), got {assigner!r}")
    given: object = aggregate
    if not isinstance(given, Aggregate):
        raise GraphError(f"window: takes an aggregate second, as agg.count(), got {given!r}")
    if into is not None and not callable(into):
        raise GraphError(f"window: into must be a function of the pane, got {into!r}")
    lateness = duration_ns(allowed_lateness, "window: allowed_lateness")
    if lateness and assigner.counts is not None:
        raise GraphError(
            "window: allowed_lateness needs windows of time, got windows.count, of which none is ever late"
        )
    return _Window[Any, Any, Any](assigner, aggregate, into, lateness)
