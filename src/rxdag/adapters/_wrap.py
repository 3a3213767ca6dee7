"""wrap: any object that delivers items, as a stream."""

from __future__ import annotations

import inspect
import queue
from collections.abc import AsyncIterable, Callable, Iterable, Sized
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

from rxdag.adapters._asynchronous import asynchronous
from rxdag.adapters._callbacks import registering, required
from rxdag.adapters._linear import Gives, is_linear, pipeline
from rxdag.adapters._service import is_service, service
from rxdag.adapters._threads import Futures, ThreadQueue
from rxdag.contract import (
    NEEDS_REPLAY,
    RAISE,
    RECEIVES,
    OnError,
    OnErrorName,
    Overflow,
    Reader,
    Shape,
    Source,
    SourceContext,
    check_iterable,
    flag,
    gives_arrow,
    is_frame,
)
from rxdag.errors import GraphError, shown
from rxdag.graph import Stream, from_source
from rxdag.sources import OverflowName, Threaded, arrow, async_iterable, callback, iterable, observable

_TAKES: Final = (
    "a source, an iterable or async iterable, a frame or table, a coroutine of one, a future or several, an asyncio.Queue or queue.Queue, a "
    "channel with get() and close(), an object with stream(), one with subscribe(callback) or start(callback) and stop(), a "
    "reactivex Observable, a linear pipeline or a service of them, or a function without arguments that makes one of these "
    "for each run, or one with one argument that registers a callback"
)


def wrap(
    thing: Any,
    /,
    *,
    name: str | None = None,
    on_error: OnError | OnErrorName = RAISE,
    overflow: Overflow | OverflowName = Overflow.BLOCK,
    max_items: int | None = None,
    hot: bool | None = None,
    blocking: bool | None = None,
    gives: Gives = "batches",
    of: type[Any] | None = None,
    replay: bool = False,
) -> Stream[Any]:
    """Return a stream of the items of any iterable, queue, callback or provider.

    The wrapped object is not modified. Pull-based objects are asked only for as many items as there is room for:

    * frames and tables of pandas, polars or pyarrow, row by row, as `sources.arrow` does
    * iterables; iterators run on their own thread, since `next` may block
    * async iterables and generators, which are always closed at the end
    * queues; channels until they are closed
    * objects with `stream()`, such as providers and tick sources; `start()` is called before, `close()` or `stop()`
      after
    * coroutines that return one of these; futures; several futures, in order of completion

    Push-based objects cannot be paused: `subscribe(callback)`, `start(callback)`, a function that registers a callback,
    a hot Observable. Use `overflow` to choose what to drop. If a bus has no unsubscribe, its items are ignored after
    the end.

    Args:
        thing: The object to wrap. A function without arguments is called once per run and returns the object; a
            function of one argument receives a callback, and returns a function that unregisters it, or None.
        name: Name of the node.
        on_error: What to do with items on which code of the wrapped object fails, where this is known: linear
            pipelines.
        overflow: Overflow policy if the consumer is slower.
        max_items: Maximum number of waiting items; by default 4,096 where there is a queue, 64 batches for a service.
        hot: For an Observable: False if it produces its items for each subscriber, inside the call of `subscribe`, and
            can therefore be paused. By default True, unless it is not connected to anything: this is the only choice
            that loses nothing silently.
        blocking: For an iterable: True to read it on its own thread; by default True for everything without a length.
        gives: For a linear pipeline: "batches", as passed to its sink, or "items", as returned by its operator.
        of: Type of the items, so that fields can be checked by name.
        replay: True to promise that an iterable, or what a function returns, gives the same items, in the same order,
            each time your program is started; see `sources.iterable`.

    Raises:
        GraphError: If the object is of an unknown kind; the message lists the known kinds. Also if it is a str, bytes
            or a mapping, whose items are hardly ever what is meant, or if it cannot be read again despite `replay`.
        CompileError: When the dag is compiled, if a push-based object has the overflow policy "block".

    Example:
        >>> rxdag.wrap(iter("ab")).collect()
        ['a', 'b']
        >>> async def numbers():
        ...     yield 1
        ...     yield 2
        >>> rxdag.wrap(numbers).collect()
        [1, 2]
        >>> items = asyncio.Queue()
        >>> items.put_nowait("x")
        >>> rxdag.wrap(items).head(1)
        ['x']
    """
    if isinstance(thing, Stream):
        stream: Stream[Any] = _any(thing)
        return stream
    how = _How(overflow, max_items, True if hot is None else hot, blocking, gives, of, flag(replay, "wrap: replay"))
    source = _source(thing, how)
    if how.replay and source.no_position is not None:
        raise GraphError(f"wrap: replay must be False for what cannot be read again, got True for {shown(thing)}")
    return from_source(source, name=name, on_error=on_error)


@dataclass(frozen=True)
class _How:
    overflow: Any
    max_items: int | None
    hot: bool
    blocking: bool | None
    gives: Gives
    of: type[Any] | None
    replay: bool

    def queue(self) -> dict[str, Any]:
        """Return the arguments of a source with a queue."""
        return {"overflow": self.overflow, "max_items": self.max_items or 4096, "of": self.of}


def _source(thing: Any, how: _How) -> Source[Any]:
    """Return the source for an object.

    Raises:
        GraphError: If the object is of an unknown kind.
    """
    if isinstance(thing, Source):
        source: Source[Any] = _any(thing)
        return source
    if gives_arrow(thing) and is_frame(thing):
        return arrow(thing, _any(how.of))
    if isinstance(thing, type):  # a class makes an object per run
        return _of_function(thing, how)
    if is_linear(thing):
        return pipeline(thing, gives=how.gives)
    if is_service(thing):
        return service(thing, max_items=how.max_items or 64)
    if hasattr(thing, "subscribe") and hasattr(thing, "pipe"):
        return observable(thing, hot=how.hot, **how.queue())
    connect = asynchronous(thing)
    if connect is not None:
        again = isinstance(thing, AsyncIterable)
        source = async_iterable(
            connect, overflow=how.overflow, max_items=how.max_items, of=how.of, replay=how.replay and again
        )
        return source if again else replace(_any(source), no_position=RECEIVES)
    if isinstance(thing, queue.Queue | queue.SimpleQueue):
        return ThreadQueue(_any(thing), Shape(how.of))
    futures = _futures(thing)
    if futures:
        return Futures(futures, Shape(how.of))
    register = registering(thing)
    if register is not None:
        return callback(register, **how.queue())
    check_iterable(thing, "wrap: thing")
    if isinstance(thing, Iterable):
        is_blocking = how.blocking if how.blocking is not None else not isinstance(thing, Sized)
        return iterable(_any(thing), blocking=is_blocking, of=how.of, replay=how.replay)
    if callable(thing):
        return _of_function(thing, how)
    raise GraphError(f"wrap: cannot make a stream from {shown(thing)}; takes {_TAKES}")


def _any(thing: Any) -> Any:
    """Return the object as `Any`: `isinstance` would infer too narrow a type."""
    return thing


def _futures(thing: Any) -> tuple[Future[Any], ...]:
    if isinstance(thing, Future):
        return (_any(thing),)
    several: tuple[Any, ...] = tuple(_any(thing)) if isinstance(thing, list | tuple | set | frozenset) else ()
    return several if all(isinstance(each, Future) for each in several) else ()


def _of_function(fn: Callable[..., Any], how: _How) -> Source[Any]:
    needed = required(fn)
    if needed == 1:
        return callback(fn, **how.queue())
    if needed > 1:
        raise GraphError(
            f"wrap: a function must take no argument or one callback, got {shown(fn)}, which takes {needed}"
        )
    if inspect.isasyncgenfunction(fn) or inspect.iscoroutinefunction(fn):
        connect = partial(_made, fn)
        return async_iterable(connect, overflow=how.overflow, max_items=how.max_items, of=how.of, replay=how.replay)
    return _Made(fn, how, Shape(how.of))


def _made(fn: Callable[[], Any]) -> AsyncIterable[Any]:
    inner = asynchronous(fn())
    if inner is None:
        raise GraphError(f"wrap: {shown(fn)} must return an async iterable")
    return inner()


@dataclass(frozen=True)
class _Made(Source[Any]):
    """The source that a function makes for each run; the function is called where it may block."""

    fn: Callable[[], Any]
    how: _How = field(repr=False)
    shape: Shape = field(default=Shape(), repr=False)
    label = "wrap"
    where = "async"

    @property
    def no_position(self) -> str | None:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]  # some have one
        return None if self.how.replay else NEEDS_REPLAY

    def open(self, context: SourceContext) -> Reader:
        inner = _source(self.fn(), self.how)
        if inner.where == "blocking":
            return Threaded(inner, context)
        return inner.open(context)
