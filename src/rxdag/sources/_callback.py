"""Sources that the world calls: callbacks and foreign observables, which cannot be made to wait."""

from __future__ import annotations

import contextlib
import inspect
import threading
from collections.abc import AsyncIterable, Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeAlias, TypeVar

from rxdag.contract import (
    RECEIVES,
    BadProgram,
    Overflow,
    Reader,
    Shape,
    Source,
    SourceContext,
    check_function,
    checked_overflow,
    flag,
    item_type,
)
from rxdag.errors import GraphError, RxDagError, shown
from rxdag.graph import Stream, from_source
from rxdag.sources._queue import ItemQueue, QueueReader

if TYPE_CHECKING:
    from reactivex import Observable

T = TypeVar("T")
OverflowName: TypeAlias = Literal["block", "drop_oldest", "drop_newest", "drop_tail", "drop_buffer", "error"]


class Push(Generic[T]):
    """The function that a callback source registers; it accepts items from any thread.

    It never waits. Items that arrive after the end of the run are ignored. `complete` and `fail` end the stream, after
    the items that have already arrived.

    Example:
        >>> def register(push):
        ...     for price in (50_000.0, 50_001.5):
        ...         push(price)
        ...     push.complete()
        >>> rxdag.from_source(sources.callback(register, overflow="drop_oldest")).collect()
        [50000.0, 50001.5]
    """

    def __init__(self, queue: ItemQueue) -> None:
        self._queue = queue

    def __call__(self, item: T, /) -> None:
        with contextlib.suppress(RxDagError):  # the run knows: it fails with an overflow, or has ended
            self._queue.offer(item, wait=False)

    def complete(self) -> None:
        """End the stream."""
        self._queue.end(None)

    def fail(self, error: Exception, /) -> None:
        """Fail the stream with an error."""
        self._queue.end(error)


class _Registered(QueueReader):
    """A queue that a callback pushes into from opening to closing."""

    def __init__(self, queue: ItemQueue, leave: Callable[[], object] | None) -> None:
        super().__init__(queue)
        self._leave = leave

    def rest(self, max_items: int) -> Any:
        self._unregister()
        return super().rest(max_items)

    def close(self) -> None:
        self._unregister()
        super().close()

    def _unregister(self) -> None:
        # Cleared first: rest() and close() both come here, and it must be called once.
        leave, self._leave = self._leave, None
        if leave is not None:
            leave()


@dataclass(frozen=True)
class _Pushed(Source[T]):
    max_items: int
    overflow: Overflow
    delay_error: bool
    shape: Shape = field(repr=False)
    queues = True
    knows_backlog = True
    no_position = RECEIVES

    def _queue(self, context: SourceContext) -> ItemQueue:
        queue = ItemQueue(self.label, self.max_items, self.overflow, delay_error=self.delay_error)
        queue.open(context)
        return queue


@dataclass(frozen=True)
class _Callback(_Pushed[T]):
    register: Callable[[Push[T]], Callable[[], object] | None]
    label: ClassVar[str] = "callback"
    can_wait = False

    def open(self, context: SourceContext) -> Reader:
        queue = self._queue(context)
        leave: object = self.register(Push(queue))
        if leave is not None and not callable(leave):
            # register() may already have started to push.
            queue.close()
            raise BadProgram(_wrong_register(leave))
        return _Registered(queue, leave)


def _wrong_register(given: object) -> str:
    """Return the message for the result of a `register`."""
    text = f"callback: register must return a function that stops the calls, or None, got {shown(given)}"
    if inspect.iscoroutine(given):
        given.close()
    if inspect.isawaitable(given) or isinstance(given, AsyncIterable):
        return f"{text}; what is awaited goes into sources.async_iterable"
    if hasattr(given, "dispose"):
        return f"{text}; return its `dispose`"
    return text


def callback(
    register: Callable[[Push[T]], Callable[[], object] | None],
    /,
    *,
    max_items: int = 4096,
    overflow: Overflow | OverflowName = Overflow.BLOCK,
    delay_error: bool = True,
    of: type[T] | None = None,
) -> Source[T]:
    """Read the items that a callback receives.

    When the run starts, `register(push)` is called; from then on, `push(item)` adds an item. Callers of a callback
    cannot be made to wait, so choose with `overflow` what to drop when the queue is full.

    Args:
        register: Function that arranges for `push` to be called, from any thread; it returns a function that stops
            this, or None if that is impossible. `push` also has `complete()` and `fail(error)`.
        max_items: Maximum number of waiting items.
        overflow: Any policy but "block", which is an error when the dag is compiled.
        delay_error: With "error", True to deliver the waiting items before the run fails.
        of: Type of the items, so that fields can be checked by name.

    Raises:
        GraphError: If an argument is invalid.
        CompileError: When the dag is compiled, if the overflow policy is "block".

    Example:
        >>> listeners = []
        >>> def register(push):
        ...     listeners.append(push)
        ...     return lambda: listeners.remove(push)
        >>> prices = rxdag.from_source(sources.callback(register, max_items=100, overflow="drop_oldest"))
        >>> run = testing.start(out := prices.to(sinks.collect()))
        >>> run.settle()
        >>> for price in (7, 8):
        ...     listeners[0](price)
        >>> run.finish()[out], listeners
        ([7, 8], [])
    """
    if not callable(register):
        raise GraphError(f"callback: register must be a function that takes the callback, got {shown(register)}")
    check_function(register, "callback: register", "the callback", instead="")
    policy = checked_overflow("callback", max_items, overflow, delay_error=delay_error)
    return _Callback(max_items, policy, delay_error, Shape(item_type(of, "callback: of")), register)


@dataclass(frozen=True)
class _Observed(_Pushed[T]):
    observable: Any
    is_hot: bool = True
    label: ClassVar[str] = "observable"

    @property
    def can_wait(self) -> bool:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]  # a cold one may
        return not self.is_hot

    def open(self, context: SourceContext) -> Reader:
        queue = self._queue(context)
        if self.is_hot:
            push = Push[Any](queue)
            disposable = self.observable.subscribe(push, push.fail, push.complete)
            return _Registered(queue, disposable.dispose)
        return _Registered(queue, _Subscribed(self.observable, queue).dispose)


class _Subscribed:
    """A cold observable, subscribed to on its own thread, which waits if there is no room."""

    def __init__(self, observable: Any, queue: ItemQueue) -> None:
        self._observable = observable
        self._queue = queue
        self._disposable: Any = None
        self._is_disposed = False
        threading.Thread(target=self._subscribe, name="rxdag-observable", daemon=True).start()

    def _subscribe(self) -> None:
        try:
            self._disposable = self._observable.subscribe(self._push, self._queue.end, lambda: self._queue.end(None))
        except _Left:
            pass
        except BaseException as error:  # any error must fail the run, since nothing else observes this thread
            self._queue.end(error)
        if self._is_disposed:
            self.dispose()

    def _push(self, item: Any) -> None:
        try:
            ticket = self._queue.offer(item, wait=True)
            if isinstance(ticket, Future):
                ticket.result()
        except RxDagError:
            if self._is_disposed:
                raise _Left from None  # only an exception stops a looping observable
            raise

    def dispose(self) -> None:
        self._is_disposed = True
        if self._disposable is not None:
            self._disposable.dispose()


class _Left(Exception):  # no error
    """Raised into a callback when items are no longer taken."""


def observable(
    obs: Observable[T],
    /,
    *,
    max_items: int = 4096,
    overflow: Overflow | OverflowName = Overflow.BLOCK,
    delay_error: bool = True,
    hot: bool = True,
    of: type[T] | None = None,
) -> Source[T]:
    """Read a reactivex observable.

    It is subscribed to when the run starts, and disposed when the run ends. A hot observable cannot be made to wait, so
    choose with `overflow` what to drop when the queue is full. A cold one is subscribed to on its own thread and waits
    inside `on_next`, unless one of its schedulers queues items before that.

    Args:
        obs: The observable.
        max_items: Maximum number of waiting items.
        overflow: Any policy; for a hot observable "block" is an error when the dag is compiled.
        delay_error: With "error", True to deliver the waiting items before the run fails.
        hot: False if it produces its items for each subscriber, inside the call of `subscribe`.
        of: Type of the items, so that fields can be checked by name.

    Raises:
        GraphError: If an argument is invalid.
        CompileError: When the dag is compiled, if a hot observable has the overflow policy "block".

    Example:
        >>> import reactivex
        >>> rxdag.from_observable(reactivex.of(1, 2), overflow="error").collect()
        [1, 2]
        >>> rxdag.from_observable(reactivex.range(5), hot=False, max_items=1).collect()
        [0, 1, 2, 3, 4]
    """
    if not hasattr(obs, "subscribe"):
        raise GraphError(f"observable: takes a reactivex observable, got {shown(obs)}")
    policy = checked_overflow("observable", max_items, overflow, delay_error=delay_error)
    shape = Shape(item_type(of, "observable: of"))
    return _Observed(max_items, policy, delay_error, shape, obs, flag(hot, "observable: hot"))


def from_observable(
    obs: Observable[T],
    /,
    *,
    max_items: int = 4096,
    overflow: Overflow | OverflowName = Overflow.BLOCK,
    delay_error: bool = True,
    hot: bool = True,
    of: type[T] | None = None,
    name: str | None = None,
) -> Stream[T]:
    """Create a stream from a reactivex observable; see `sources.observable`.

    Example:
        >>> import reactivex
        >>> rxdag.from_observable(reactivex.of(50_000.0, 50_001.5), hot=False).collect()
        [50000.0, 50001.5]
    """
    source = observable(obs, max_items=max_items, overflow=overflow, delay_error=delay_error, hot=hot, of=of)
    return from_source(source, name=name)
