"""Streams as lists, iterators and observables."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from reactivex import Observable, abc
from reactivex.disposable import Disposable
from reactivex.scheduler import CurrentThreadScheduler

from rxdag import operators as ops
from rxdag import sinks
from rxdag.contract import Chunk, Sink, SinkContext, Writer, whole
from rxdag.engine.drivers import LoopDriver
from rxdag.errors import BufferOverflow, GraphWarning, RxDagError
from rxdag.graph import Dag, Node, SinkNode, Stream, checked_stream
from rxdag.plan import Plan, compile
from rxdag.runtime._execution import Execution
from rxdag.runtime._front import run
from rxdag.runtime._handles import in_loop, run_here, run_on_loop
from rxdag.runtime._losses import warn_of_losses

T = TypeVar("T")


@dataclass(frozen=True)
class _Buffer(Sink[Any, None], Writer):
    """A sink that keeps items until they are taken."""

    items: list[Any] = field(default_factory=lambda: list[Any](), repr=False)
    label = "iterate"

    def open(self, context: SinkContext) -> Writer:
        return self

    def write(self, chunk: Chunk) -> None:
        self.items.extend(chunk.items)

    def close(self, *, ok: bool) -> None: ...


@dataclass(frozen=True)
class _Queue(Sink[Any, None], Writer):
    """An async sink that hands one chunk over at a time."""

    queue: asyncio.Queue[list[Any]] = field(repr=False)
    label = "iterate"
    where = "async"

    def open(self, context: SinkContext) -> Writer:
        return self

    async def write(self, chunk: Chunk) -> None:
        await self.queue.put(chunk.items)
        # Until the loop has consumed the chunk, so that at most one is in flight.
        await self.queue.join()

    def close(self, *, ok: bool) -> None: ...


def _plan_into(stream: Stream[Any], sink: Sink[Any, Any]) -> Plan:
    node = Node(sink, (stream._input(),))  # pyright: ignore[reportPrivateUsage]  # no sink that would hang on the graph
    return compile(Dag.glance(SinkNode(node)))


def _first(stream: Stream[Any], max_items: int) -> Stream[Any]:
    """Return the first items of a stream, regardless of key."""
    is_keyed = stream.node.port_shape(stream.port).keyed
    return (stream.pipe(ops.unkey()) if is_keyed else stream).pipe(ops.take(max_items))


class StreamRunner:
    """Implements `head`, `collect` and iteration of streams."""

    def head(self, stream: Stream[Any], max_items: Any) -> list[Any]:
        return self.collect(_first(stream, whole(max_items, "head: max_items")), None)

    def collect(self, stream: Stream[Any], max_items: Any) -> list[Any]:
        if max_items is not None:
            most = whole(max_items, "collect: max_items")
            kept = self.collect(_first(stream, most + 1), None)
            if len(kept) > most:
                raise BufferOverflow(
                    f"collect: max_items must be at least the number of items, got {most} for more items; "
                    f"head({most}) returns the first ones"
                )
            return kept
        plan = _plan_into(stream, sinks.collect())
        result = run(plan)
        warn_of_losses(result)
        items: list[Any] = result[plan.dag.sinks[0]]
        return items

    def iterate(self, stream: Stream[Any]) -> Iterator[Any]:
        buffer = _Buffer()
        execution = Execution(_plan_into(stream, buffer))
        steps = _steps_on_loop(execution) if execution.plan.needs_loop else _steps_here(execution)
        try:
            for _ in steps:
                while buffer.items:
                    ready = buffer.items.copy()
                    buffer.items.clear()
                    yield from ready
        finally:
            steps.close()
        if execution.error is not None:
            raise execution.error
        if execution.result is not None:
            warn_of_losses(execution.result)

    async def aiterate(self, stream: Stream[Any]) -> AsyncIterator[Any]:
        queue: asyncio.Queue[list[Any]] = asyncio.Queue(1)
        execution = Execution(_plan_into(stream, _Queue(queue)))
        task = asyncio.ensure_future(run_on_loop(execution))
        getter: asyncio.Future[list[Any]] | None = None
        try:
            while True:
                getter = asyncio.ensure_future(queue.get())
                await asyncio.wait((getter, task), return_when=asyncio.FIRST_COMPLETED)
                if not getter.done():
                    break
                for item in getter.result():
                    yield item
                queue.task_done()
        finally:
            if getter is not None:
                getter.cancel()
            if not task.done():
                execution.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        if execution.error is not None:
            raise execution.error
        if execution.result is not None:
            warn_of_losses(execution.result)


def _steps_here(execution: Execution) -> Any:
    """Run on this thread, and yield after each step."""
    try:
        execution.open()
        main = execution.main
        while not execution.is_done():
            kicks = main.kicks
            wait = main.step()
            yield
            if wait != 0 and not execution.is_done():
                execution.check_stall()
                main.wait(None if wait is None else wait / 1e9, kicks)
        yield
    except BaseException as reason:
        execution.abort(reason)
        raise
    finally:
        execution.main.close()
        execution.finish()


def _steps_on_loop(execution: Execution) -> Any:
    """Run on a private event loop, and yield after each iteration of it."""
    if in_loop():
        raise RxDagError("for: this graph needs an event loop, and one runs here already; use `async for`")
    runner = asyncio.Runner()
    loop = runner.get_loop()
    execution.loop = loop

    async def begin() -> LoopDriver:
        driver = LoopDriver(execution.main, loop, execution.is_done, execution.check_stall)
        execution.open()
        driver.start()
        return driver

    async def turn(driver: LoopDriver) -> None:
        # Short, since the caller gets its items only between turns.
        await asyncio.wait((driver.done,), timeout=0.002)

    try:
        driver = runner.run(begin())
        while not driver.done.done():
            runner.run(turn(driver))
            yield
        yield
    except BaseException as reason:
        execution.abort(reason)
        raise
    finally:
        runner.run(_leave(execution))
        execution.finish()
        runner.close()


async def _leave(execution: Execution) -> None:
    for _ in range(100):
        if execution.is_done():
            return
        await asyncio.sleep(0.01)


def observable_of(plan: Plan, name: str) -> Observable[Any]:
    """Return a node's items as a cold observable: each subscription runs the plan on the subscriber's thread."""

    def subscribe(observer: abc.ObserverBase[Any], scheduler: abc.SchedulerBase | None = None) -> abc.DisposableBase:
        execution = Execution(plan)
        _observe(execution, name, observer)

        def act(*_: object) -> None:
            result = run_here(execution)
            if result.error is not None:
                observer.on_error(result.error)
            elif result.state == "completed":
                try:
                    warn_of_losses(result)
                except GraphWarning as loss:  # where warnings are errors
                    observer.on_error(loss)
                else:
                    observer.on_completed()

        if scheduler is None and in_loop():
            threading.Thread(target=act, daemon=True, name="rxdag-observable").start()
        else:
            # The trampoline starts the run after the subscription has been returned, so that it can be disposed.
            (scheduler or CurrentThreadScheduler.singleton()).schedule(act)
        return Disposable(execution.cancel)

    return Observable(subscribe)


def _observe(execution: Execution, name: str, observer: abc.ObserverBase[Any]) -> None:
    """Send the outputs of a node, or the inputs of a sink, to an observer."""
    execution.program.observe(name, _ItemsTo(observer), execution)


class _ItemsTo:
    """An inlet that passes the items to an observer one by one."""

    def __init__(self, observer: abc.ObserverBase[Any]) -> None:
        self._observer = observer

    def on_next(self, chunk: Chunk, /) -> None:
        for item in chunk.items:
            self._observer.on_next(item)

    def end(self, error: Exception | None, /) -> None:
        """Ignore the end: the run reports it when everything is closed."""


def to_observable(stream: Stream[T], /) -> Observable[T]:
    """Convert a stream to a cold reactivex observable.

    Each subscription is a separate run, on the subscribing thread or the scheduler given to `subscribe`. Disposing the
    subscription cancels the run.

    Raises:
        GraphError: If `stream` is not a stream.

    Example:
        >>> import reactivex.operators as rx
        >>> numbers = rxdag.from_source(sources.range(1, 4))
        >>> rxdag.to_observable(numbers).pipe(rx.sum()).run()
        6
    """
    checked_stream(stream, "to_observable")

    def subscribe(observer: abc.ObserverBase[T], scheduler: abc.SchedulerBase | None = None) -> abc.DisposableBase:
        plan = _plan_into(stream, sinks.null())
        return plan.observable(plan.dag.sinks[0]).subscribe(observer, scheduler=scheduler)

    return Observable(subscribe)
