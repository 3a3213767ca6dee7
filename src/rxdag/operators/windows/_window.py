"""Windows: an aggregate for each key and each stretch of event time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Self, TypeVar, overload

from rxdag.contract import (
    Aggregate,
    AnyOperator,
    Assigner,
    Duration,
    Kernel,
    KernelOf,
    Pane,
    Shape,
    Unkeyed,
    WindowOp,
    check_function,
    duration_ns,
    positive_ns,
    whole,
)
from rxdag.errors import GraphError, shown
from rxdag.operators.windows._panes import checked_aggregate
from rxdag.operators.windows._window_all import CountedWindowAllKernel, OpenWindowAllKernel, RevisedWindowAllKernel
from rxdag.operators.windows._window_counted import CountedWindowKernel
from rxdag.operators.windows._window_open import OpenWindowKernel
from rxdag.operators.windows._window_revised import RevisedWindowKernel

A = TypeVar("A")
B = TypeVar("B")
K = TypeVar("K")
R = TypeVar("R")


@dataclass(frozen=True)
class _Panes:
    """Windows and their aggregates: the common parameters of keyed and unkeyed windows."""

    assigner: Assigner
    aggregate: Aggregate[Any, Any]
    into: Callable[[Any], Any] | None
    lateness_ns: int = 0
    early_items: int = 0
    early_ns: int = 0

    def check(self, shape: Shape, where: str) -> None:
        self.aggregate.check(shape.item_type, f"{where}: {self.aggregate.name}")

    def bound(self, shape: Shape) -> Self:
        return replace(self, aggregate=self.aggregate.bound(shape))

    def shape(self, shape: Shape) -> Shape:
        is_pane = self.into is None
        windows = self.assigner if is_pane else None
        return Shape(Pane if is_pane else None, timed=True, key_names=shape.key_names, windows=windows)

    def kernel(self, *, drops_key: bool = False) -> Kernel:
        if self.assigner.counts is not None:
            counted = CountedWindowAllKernel if drops_key else CountedWindowKernel
            return counted(*self.assigner.counts, self.aggregate, self.into)
        if self.assigner.merges or self.assigner.is_endless or self.lateness_ns or self.early_items or self.early_ns:
            revised = RevisedWindowAllKernel if drops_key else RevisedWindowKernel
            return revised(self.assigner, self.aggregate, self.into, self.lateness_ns, self.early_items, self.early_ns)
        opened = OpenWindowAllKernel if drops_key else OpenWindowKernel
        return opened(self.assigner, self.aggregate, self.into)


@dataclass(frozen=True)
class _OfPanes(AnyOperator):
    """The common part of keyed and global windows."""

    panes: _Panes
    needs_event_time = True
    leavings = ("dropped", "unassigned")

    @property
    def ports(self) -> tuple[str, ...]:
        return ("out", "late", "dead")

    def bound(self, shape: Shape) -> Self:
        return replace(self, panes=self.panes.bound(shape))

    def shape(self, shape: Shape) -> Shape:
        return self.panes.shape(shape)


@dataclass(frozen=True)
class _Window(_OfPanes, WindowOp[K, A, B]):
    label = "window"

    def check(self, shape: Shape, where: str) -> None:
        super().check(shape, where)
        if not shape.keyed:
            raise GraphError(
                f"{where}: needs a keyed stream; put ops.key_by(...) before it, or take ops.window_all(...)"
            )
        self.panes.check(shape, where)

    def kernel(self) -> Kernel:
        return self.panes.kernel()


@dataclass(frozen=True)
class _WindowAll(_OfPanes, Unkeyed[A, B]):
    drops_key: bool = False
    label = "window_all"

    def check(self, shape: Shape, where: str) -> None:
        super().check(shape, where)
        self.panes.check(shape, where)

    def bound(self, shape: Shape) -> Self:
        return replace(super().bound(shape), drops_key=shape.keyed)

    def shape(self, shape: Shape) -> Shape:
        return replace(self.panes.shape(shape), key_names=())

    def kernel(self) -> KernelOf[A, B]:
        return self.panes.kernel(drops_key=self.drops_key)  # type: ignore[return-value]  # pyright: ignore[reportReturnType]  # the kinds of windows type alike


@overload
def window(
    window: Assigner,
    aggregate: Aggregate[A, R],
    /,
    *,
    allowed_lateness: Duration = "0s",
    early: Duration | int | None = None,
) -> WindowOp[K, A, Pane[K, R]]: ...
@overload
def window(
    window: Assigner,
    aggregate: Aggregate[A, R],
    /,
    *,
    into: Callable[[Pane[K, R]], B],
    allowed_lateness: Duration = "0s",
    early: Duration | int | None = None,
) -> WindowOp[K, A, B]: ...
def window(
    window: Assigner,
    aggregate: Any,
    /,
    *,
    into: Any = None,
    allowed_lateness: Duration = "0s",
    early: Duration | int | None = None,
) -> Any:
    """Aggregate each key over each window of event time.

    A window [start, end) emits its pane when the watermark reaches end - 1, and when the source ends. Panes emitted
    together are ordered by end, then start, then key. With `allowed_lateness`, a window still accepts items for that
    long after it has emitted; each such item emits the pane again at once, with its revision increased by one. If an
    item joins several sessions, they become one, whose revision is one more than the largest of those that have been
    emitted. With `early`, a partial pane is also emitted before the window ends, marked `closed_by="early"`; each time
    its revision increases by one.

    Emits: a `Pane` for each key and window, or `into(pane)`, with event time end - 1.
    Drops: an item whose windows are all closed, and past the allowed lateness, goes to port "late"; one that the
        aggregate refuses goes to port "dead"; one that falls between windows is counted as `unassigned`.
    Holds: an accumulator for each key and open window, until the watermark has passed its end and the allowed lateness.
    Ends: when the source ends, after the last panes. Fails: if the aggregate or `into` raises.
    Clock: event time.

    Args:
        window: The windows; see `rxdag.windows`.
        aggregate: The aggregate to compute; see `rxdag.aggregates`.
        into: A function of the pane; its return value is emitted instead.
        allowed_lateness: How long after its end a window accepts late items.
        early: A number of items: emit a pane each time that many have arrived since the last one. Or a time: emit a
            pane when the watermark passes the next multiple of it after a new item, as Flink's
            ContinuousEventTimeTrigger.

    Raises:
        GraphError: If an argument is invalid, the stream has no key or no event time, or a name is not a field of the
            items.

    Example:
        >>> from rxdag import aggregates as agg, windows
        >>> timed = rxdag.from_source(sources.iterable([1, 2, 12])).pipe(ops.event_time(lambda x: x, unit="s"))
        >>> counts = timed.pipe(ops.key_by(lambda x: "all")).pipe(ops.window(windows.tumbling("10s"), agg.count()))
        >>> [(pane.start // 10**9, pane.value) for pane in counts.collect()]
        [(0, 2), (10, 1)]
    """
    return _Window[Any, Any, Any](_panes("window", window, aggregate, into, allowed_lateness, early))


@overload
def window_all(
    window: Assigner,
    aggregate: Aggregate[A, R],
    /,
    *,
    allowed_lateness: Duration = "0s",
    early: Duration | int | None = None,
) -> Unkeyed[A, Pane[None, R]]: ...
@overload
def window_all(
    window: Assigner,
    aggregate: Aggregate[A, R],
    /,
    *,
    into: Callable[[Pane[None, R]], B],
    allowed_lateness: Duration = "0s",
    early: Duration | int | None = None,
) -> Unkeyed[A, B]: ...
def window_all(
    window: Assigner,
    aggregate: Any,
    /,
    *,
    into: Any = None,
    allowed_lateness: Duration = "0s",
    early: Duration | int | None = None,
) -> Any:
    """Aggregate all items over each window of event time, regardless of key.

    Emits: a `Pane` with key None for each window that received an item, or `into(pane)`, with event time end - 1.
    Drops: as `window`.
    Holds: an accumulator for each open window, until the watermark has passed its end and the allowed lateness.
    Ends: when the source ends, after the last panes. Fails: if the aggregate or `into` raises.
    Clock: event time.

    Args:
        window: The windows; see `rxdag.windows`.
        aggregate: The aggregate to compute; see `rxdag.aggregates`.
        into: A function of the pane; its return value is emitted instead.
        allowed_lateness: See `window`.
        early: See `window`.

    Raises:
        GraphError: If an argument is invalid, the stream has no event time, or a name is not a field of the items.

    Example:
        >>> timed = rxdag.from_source(sources.iterable([1, 2, 12])).pipe(ops.event_time(lambda x: x, unit="s"))
        >>> counts = timed.pipe(ops.window_all(windows.tumbling("10s"), agg.count()))
        >>> [(pane.start // 10**9, pane.value) for pane in counts.collect()]
        [(0, 2), (10, 1)]
    """
    return _WindowAll[Any, Any](_panes("window_all", window, aggregate, into, allowed_lateness, early))


def _panes(
    name: str, assigner: Any, given: Any, into: Any, allowed_lateness: Duration, early: Duration | int | None
) -> _Panes:
    if not isinstance(assigner, Assigner):
        raise GraphError(f"{name}: takes windows first, such as windows.tumbling(...), got {shown(assigner)}")
    aggregate = checked_aggregate(given, name)
    if into is not None and not callable(into):
        raise GraphError(f"{name}: into must be a function of the pane, got {shown(into)}")
    if into is not None:
        check_function(into, f"{name}: into", "the pane")
    if assigner.merges and not aggregate.accumulator().can_merge():
        raise GraphError(
            f"{name}: these windows merge, and the accumulator of {aggregate.name} cannot; give it a method merge, "
            f"or pass merge= to agg.fold"
        )
    lateness = duration_ns(allowed_lateness, f"{name}: allowed_lateness")
    if assigner.counts is not None and lateness:
        raise GraphError(
            f"{name}: allowed_lateness needs windows of time, got windows.count, whose items are never late"
        )
    if assigner.counts is not None and early is not None:
        raise GraphError(f"{name}: early needs windows of time, got windows.count; a smaller slide= gives more panes")
    early_items = whole(early, f"{name}: early", least=1) if isinstance(early, int) else 0
    early_ns = 0 if isinstance(early, int) or early is None else positive_ns(early, f"{name}: early")
    return _Panes(assigner, aggregate, into, lateness, early_items, early_ns)
