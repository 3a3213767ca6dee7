"""Sink hosts: write to a sink what comes."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

from rxdag.compiler._host import Host, RunContext
from rxdag.compiler._ledger import Ledger
from rxdag.compiler._source_host import said
from rxdag.compiler._writes import Writes
from rxdag.contract import (
    ENDED,
    BadItem,
    Chunk,
    Clock,
    Enough,
    OnError,
    Saw,
    Shape,
    Sink,
    WriteFailed,
    Writer,
)
from rxdag.errors import NodeError
from rxdag.schedulers import DemandGate, Segment


class SinkHost(Host):
    """Writes to a sink; what an async sink has taken is in flight until its write has ended.

    Args:
        name: Of the node.
        segment: Where it runs.
        context: Of the run.
        policy: What becomes of an item that the sink fails on.
        sink: What it writes to.
        shape: Of the stream.
    """

    def __init__(
        self, name: str, segment: Segment, context: RunContext, policy: OnError, sink: Sink[Any, Any], shape: Shape
    ) -> None:
        super().__init__(name, segment, context, policy)
        self.sink = sink
        self.shape = shape
        self.clock: Clock = context.clock
        self.has_want = sink.where == "async" or sink.paces
        self.gates: list[DemandGate] = []
        """What has room for as much as the sink asks for."""
        self.saw: Saw | None = None
        self._error: Exception | None = None
        self._writer: Writer | None = None
        self.writes = Writes()
        self._ticks = segment.scheduler.ticks
        self._began = 0
        self._in_flight = 0
        self._attempts = 0
        self._again: Chunk | None = None
        """What is to be written again once its wait is over."""
        self._ending: tuple[Exception | None] | None = None
        self._has_opened = False
        self.is_closed = False

    def open(self) -> None:
        """Open the sink, before anything flows."""
        self._has_opened = True
        try:
            self._writer = self.sink.open(self)
        except Exception as error:
            made = NodeError(f'sink "{self.name}": {said(error)}', node=self.name)
            made.__cause__ = error
            self.fail(made)

    def want_from(self, input: int) -> int | None:
        """0 while a write is in flight."""
        if self.is_ended:
            return None
        if self._in_flight:
            return 0
        if not self.sink.paces:
            return None
        return 0 if self._writer is None else self._writer.want()

    @property
    def waits(self) -> bool:
        """True if it may ask for more at any time, of its own accord."""
        return self.sink.paces and not self.is_ended

    @property
    def writer(self) -> Writer | None:
        """The open sink; None before and after."""
        return self._writer

    # ---- what a sink sees

    @property
    def error(self) -> Exception | None:
        return self._error or self.context.error

    def call(self, fn: Callable[[], None], /) -> None:
        def run() -> None:
            fn()
            self._admit()

        self.segment.scheduler.call(run)

    def enough(self) -> None:
        if not self.is_ended:
            self.leave()
            self.discard()
            self.finish(None)
            self.segment.run()

    def _admit(self) -> None:
        for gate in self.gates:
            gate.admit()
        for pump in self.segment.pumps:
            pump.wake()

    # ---- writing

    def held(self) -> int:
        return self._in_flight

    def discard(self) -> None:
        self.ledger.discarded += self._in_flight
        self._in_flight = 0
        self._again = None

    def receive(self, input: int, chunk: Chunk) -> None:
        n = len(chunk.items)
        self.ledger.arrived += n
        if self.is_ended:
            self.ledger.unread += n
            return
        if n:
            self._write(chunk)
            for gate in self.gates:  # it may have asked for more
                gate.admit()

    def _write(self, chunk: Chunk) -> None:
        writer = self._writer
        if writer is None:
            self.ledger.discarded += len(chunk)
            return
        while chunk.items and not self.is_ended:
            self._began = self._ticks()
            try:
                pending = writer.write(chunk)
            except Enough as enough:
                self._had_enough(chunk, enough)
                return
            except Exception as error:
                chunk = self._fault(chunk, error)
                if self._again is None:
                    continue
                if self.sink.where != "async":
                    self.segment.handover.suspend(self, self._write_again)
                break
            self._attempts = 0
            if pending is None:
                self.ledger.passed += len(chunk.items)
                self.writes.add(self._ticks() - self._began)
            else:
                self._in_flight = len(chunk)
                self.context.spawn(self.name, pending, partial(self._written, chunk))
            break
        else:
            self.ledger.discarded += len(chunk)
        if self.outlets["dead"].items:
            self.outlets["dead"].flush()

    def _had_enough(self, chunk: Chunk, enough: Enough) -> None:
        self.ledger.passed += enough.index
        self.ledger.unread += len(chunk) - enough.index
        self.enough()

    def _fault(self, chunk: Chunk, error: Exception) -> Chunk:
        """Deal with the item that failed; what came before it is written. Returns what is still to write."""
        self.writes.failed += 1
        index = error.index if isinstance(error, WriteFailed) else 0
        cause = error.cause if isinstance(error, WriteFailed) else error
        self.ledger.passed += index
        if index:
            chunk = chunk.split(index)[1]
            self._attempts = 0
        self._attempts += 1
        wait = None if isinstance(cause, BadItem) else self.policy.wait_ns(cause, self._attempts, self.context.random)
        if wait is not None:
            self.ledger.retried += 1
            if wait:
                self._in_flight = len(chunk)
                self._again = chunk
                self.segment.scheduler.at(self.context.clock.now() + wait, self._wait_is_over, rank=self.rank)
            return chunk
        attempts, self._attempts = self._attempts, 0
        if isinstance(error, WriteFailed):
            head, rest = chunk.split(1)
            self.bury(self.ledger, self.name, head.rows().items[0], cause, self.outlets, attempts)
            return rest
        self.ledger.failed += 1
        made = NodeError(f'sink "{self.name}": {said(error)}', node=self.name)
        made.__cause__ = error
        self.fail(made)
        return chunk.split(1)[1]

    def _wait_is_over(self) -> None:
        if self.sink.where == "async":
            self._write_again(None)
            self._settle()
        else:
            self.segment.resume(self)

    def _write_again(self, _: object) -> None:
        chunk, self._again = self._again, None
        if chunk is not None and not self.is_ended:
            self._in_flight = 0
            self._write(chunk)
            if not self._in_flight and self._ending is not None and not self.is_ended:
                self.inputs_ended(*self._ending)

    def books(self) -> list[tuple[str, Ledger, dict[str, str]]]:
        """A sink has no main port: what it delivered is what passed."""
        books = super().books()
        self.ledger.out["delivered"] = self.ledger.passed
        return books

    def _written(self, chunk: Chunk, task: asyncio.Future[Any]) -> None:
        """A write has ended."""
        if task.cancelled() or not self._in_flight:
            return
        self._in_flight = 0
        error = task.exception()
        if error is None:
            self.ledger.passed += len(chunk)
            self.writes.add(self._ticks() - self._began)
            self._attempts = 0
        elif isinstance(error, Enough):
            self._had_enough(chunk, error)
        elif isinstance(error, Exception):
            rest = self._fault(chunk, error)
            if self._again is None:
                self._write(rest)
        self._settle()

    def _settle(self) -> None:
        """Hand over the dead letters; end if the end has come; have the next chunk brought."""
        self.outlets["dead"].flush()
        if not self._in_flight and self._ending is not None and not self.is_ended:
            self.inputs_ended(*self._ending)
        self.segment.run()
        for pump in self.segment.pumps:
            pump.wake()

    def inputs_ended(self, error: Exception | None) -> None:
        if self._in_flight:
            self._ending = (error,)
            return
        super().inputs_ended(error)

    def finish(self, error: Exception | None) -> None:
        """Mark the dead letters' end; a run that succeeds closes all its sinks together, behind the last of them."""
        if self.is_ended:
            return
        self._error = error
        if error is None:
            self.outlets["dead"].mark(ENDED)
        super().finish(error)
        if error is None:
            self.context.sink_ready(self.name)
        else:
            self.close(ok=False)

    def fail(self, error: Exception) -> None:
        if not self.is_ended:
            self.context.fail(error)  # before the sink closes, so that no other one ends well after it
        super().fail(error)

    def cancel(self) -> None:
        super().cancel()
        self.close(ok=False)

    def close(self, *, ok: bool) -> None:
        """Close the sink; once."""
        if self.is_closed:
            return
        self.is_closed = True
        writer, self._writer = self._writer, None
        result: Any = None
        if writer is not None:
            try:
                result = self.closed_with(writer.close(ok=ok and self.context.may_succeed))
            except Exception as error:
                made = NodeError(f'sink "{self.name}": {said(error)}', node=self.name)
                made.__cause__ = error
                self.context.fail(made)
        if inspect.isawaitable(result):
            self.context.spawn(self.name, result, self._closed)
        else:
            self.context.sink_ended(self.name, result)

    def closed_with(self, result: Any) -> Any:
        """What closing the sink gives, or an awaitable of it."""
        return result

    def _closed(self, task: asyncio.Future[Any]) -> None:
        """An async close has ended."""
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Exception):
            made = NodeError(f'sink "{self.name}": {said(error)}', node=self.name)
            made.__cause__ = error
            self.context.fail(made)
        self.context.sink_ended(self.name, None if task.cancelled() or error else task.result())
