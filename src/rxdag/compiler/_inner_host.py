"""The host of a node whose items become streams: it opens them, reads them as there is room, and closes them."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from rxdag.compiler._host import RunContext, node_error
from rxdag.compiler._kernel_host import KernelHost
from rxdag.contract import (
    DEAD,
    END,
    FLUSHED,
    SKIP,
    BadItem,
    Boundary,
    Clock,
    DeadLetter,
    Inner,
    InnerKernel,
    Kernel,
    Reader,
    Saw,
    Source,
)
from rxdag.errors import text_of


class _Reading:
    """One inner stream: what its source sees of the run."""

    wants_columns = False
    boundary: Boundary | None = None
    saw: Saw | None = None

    def __init__(self, host: InnerHost, inner: Inner, context: RunContext) -> None:
        self.host = host
        self.inner = inner
        self.clock: Clock = context.clock
        self.random = context.random
        self.source: Source[Any] | None = None
        self.reader: Reader | None = None
        self.is_ready = True
        self.attempts = 0

    def wake(self) -> None:
        self.host.segment.scheduler.call(self.come)

    def wake_at(self, when: int) -> None:
        self.host.segment.scheduler.at(when, self.come, rank=self.host.rank)

    def come(self) -> None:
        """It may have something now."""
        self.is_ready = True
        self.host.go_on()

    def emit(self, port: str, item: object) -> None:
        """Nobody can read the side ports of an inner stream."""

    def drop(self, reason: str, n: int = 1) -> None:
        self.host.ledger.arrived += n
        self.host.ledger.drop(reason, n)

    def bad(self, item: object, error: Exception) -> None:
        self.host.malformed(item, error)

    def read(self, room: int) -> Any:
        """Up to that many items, None for nothing now, or END."""
        if self.reader is None:
            self.source = self.host.source_of(self.inner)
            self.reader = self.source.open(self)
        return self.reader.read(room)

    def close(self) -> None:
        """Give back what is open."""
        reader, self.reader = self.reader, None
        if reader is None or self.source is None:
            return
        if self.source.where == "async":
            self.host.context.spawn(self.host.name, reader.aclose())
            return
        try:
            reader.close()
        except Exception as error:
            self.host.context.fail(node_error(self.host.name, error, self.inner.item))


class InnerHost(KernelHost):
    """Runs a kernel whose items become streams. They take turns, one read each."""

    def __init__(self, *args: Any) -> None:
        self._readings: dict[Inner, _Reading] = {}
        self._is_scheduled = False
        self._drains = False
        self._is_open = False
        self._resource: Any = None
        super().__init__(*args)

    @property
    def inner_kernel(self) -> InnerKernel:
        """The kernel."""
        kernel: Kernel = self.kernel
        if not isinstance(kernel, InnerKernel):
            raise TypeError(f"InnerHost: takes an InnerKernel, got {type(kernel).__name__}")
        return kernel

    @property
    def waits(self) -> bool:
        """True if a stream may give something that nothing in the run has a timer for."""
        return not self.is_ended and bool(self._readings)

    def open(self) -> None:
        make = self.inner_kernel.resource
        self._is_open = make is None
        super().open()
        if make is not None:
            self.context.spawn(self.name, self._enter(make), self._entered)

    async def _enter(self, make: Any) -> Any:
        self._resource = resource = make()
        return await resource.__aenter__()

    def _entered(self, task: asyncio.Future[Any]) -> None:
        error = None if task.cancelled() else task.exception()
        if task.cancelled() or error is not None:
            self._resource = None
            if isinstance(error, Exception):
                self.fail(node_error(self.name, error))
            return
        if self.is_ended:
            self._leave_resource()
            return
        self.inner_kernel.opened = task.result()
        self._is_open = True
        self.go_on()

    def _leave_resource(self) -> None:
        resource, self._resource = self._resource, None
        if resource is not None:
            self.context.spawn(self.name, resource.__aexit__(None, None, None))

    def restart(self) -> None:
        opened = self.inner_kernel.opened
        self._close_all()
        super().restart()
        self.inner_kernel.opened = opened
        self._settle()
        self.segment.run()

    def source_of(self, inner: Inner) -> Source[Any]:
        """The stream of an item; raises if it is none that can be read here."""
        source = self.inner_kernel.source_of(inner)
        if source.where == "blocking":
            raise TypeError(
                f"an inner stream must run on the caller's thread or on the loop, got {source.label}, which blocks; "
                f"read it in a coroutine"
            )
        return source

    def malformed(self, item: object, error: Exception) -> None:
        """Deal with input of an inner stream that is malformed, as the node's policy says."""
        policy = self.policy.last
        if policy is SKIP:
            self.ledger.arrived += 1
            self.ledger.drop("skipped")
        elif policy is DEAD:
            self.ledger.arrived += 1
            self.ledger.dead += 1
            self.outlets["dead"].put(DeadLetter(self.name, item, error, 1, text_of(error)), 0, 0, None)
        else:
            raise error

    # ---- reading

    def wake(self) -> None:
        self.segment.scheduler.call(self.go_on)

    def go_on(self) -> None:
        """Read again what has something, as there is room."""
        self.segment.when_clear(self._go, self.reaches)

    def _go(self) -> None:
        self._settle()
        self.segment.run()
        for pump in self.segment.pumps:
            if pump.is_parked:
                pump.wake()

    def _settle(self) -> None:
        self._give_ready()
        super()._settle()
        if self.is_ended:
            return
        self._match()
        if self._lingering is not None and not self.kernel.held():
            self.kernel.lingers = False
            self._stop_lingering()
        elif self._drains and not self.kernel.held():
            self._drains = False
            super().inputs_ended(None)
        if self._is_open and not self._is_scheduled and any(r.is_ready for r in self._readings.values()):
            self._is_scheduled = True
            self.segment.handover.fresh.append((self._read_next, None))

    def _give_ready(self) -> None:
        """Give out the items that are worked on, or bury them."""
        kernel = self.inner_kernel
        while not self.is_ended and (inner := kernel.ready()) is not None:
            self._take_up(inner)
            if inner.error is not None:
                self._bury(*inner.error)
                continue
            try:
                kernel.give(inner, self._emit)
            except Exception as error:
                self._bury(error)

    def _match(self) -> None:
        """Have a reading for each stream that the kernel has, and for no other."""
        wanted = self.inner_kernel.inner
        if len(wanted) == len(self._readings) and all(inner in self._readings for inner in wanted):
            return
        kept = set(wanted)
        for inner in [inner for inner in self._readings if inner not in kept]:
            self._readings.pop(inner).close()
        for inner in wanted:
            if inner not in self._readings and not inner.is_done:
                self._readings[inner] = _Reading(self, inner, self.context)

    def _read_next(self, _: object) -> None:
        """Give the stream whose turn it is one read."""
        self._is_scheduled = False
        if self.is_ended:
            return
        reading = next((r for r in self._readings.values() if r.is_ready), None)
        if reading is None:
            return
        room = self._room()
        if not room:
            return
        self._readings[reading.inner] = self._readings.pop(reading.inner)  # it goes to the end of the line
        self._read(reading, room)
        self._settle()

    def _read(self, reading: _Reading, room: int) -> None:
        inner = reading.inner
        self._take_up(inner)
        try:
            read = reading.read(room)
        except Exception as error:
            self._failed(reading, error)
            return
        if read is None:
            reading.is_ready = False
        elif read is END:
            self._ended(reading)
        else:
            self._take_in(inner, read.rows().items)

    def _take_up(self, inner: Inner) -> None:
        """Have an item at hand."""
        emit = self._emit
        emit.item, emit.ts, emit.sequence, emit.key = inner.item, inner.ts, inner.sequence, inner.key

    def _take_in(self, inner: Inner, items: list[Any]) -> None:
        for item in items:
            if inner.skip:
                inner.skip -= 1
                continue
            inner.given += 1
            self._guard(partial(self.inner_kernel.on_inner, inner, item, self._emit))

    def _ended(self, reading: _Reading) -> None:
        reading.is_ready = False
        reading.inner.is_done = True
        reading.close()
        self._readings.pop(reading.inner, None)
        self._guard(partial(self.inner_kernel.on_inner_end, reading.inner, self._emit))

    def _failed(self, reading: _Reading, error: Exception) -> None:
        """A stream has failed: try again if it has given nothing yet, else its items go the way of the policy."""
        inner, kernel = reading.inner, self.inner_kernel
        reading.attempts += 1
        reading.close()
        is_bad = isinstance(kernel.blame(inner.item, error), BadItem)
        again = not inner.given and not is_bad
        wait = self.policy.wait_ns(error, reading.attempts, self.context.random) if again else None
        if wait is not None:
            self.ledger.retried += 1
            if wait:
                reading.is_ready = False
                reading.wake_at(self.context.clock.now() + wait)
            return
        self._readings.pop(inner, None)
        inner.is_done = True
        kernel.on_inner_failed(inner, error, reading.attempts)

    # ---- ends

    def _combined(self, combined: int) -> None:
        if combined == FLUSHED and not self.inner_kernel.ends_alone:
            self._stop_all()
        super()._combined(combined)

    def _stop_all(self) -> None:
        """Read no more; what the streams have taken in goes out."""
        for reading in list(self._readings.values()):
            self._take_up(reading.inner)
            while reading.reader is not None and (rest := reading.reader.rest(self.segment.scheduler.quantum)):
                self._take_in(reading.inner, rest.rows().items)
            self._ended(reading)

    def inputs_ended(self, error: Exception | None) -> None:
        if error is None and self._lingering is None and self.kernel.held() and not self.is_ended:
            if self.inner_kernel.ends_alone:
                self._drains = True
                return
            self._stop_all()
        super().inputs_ended(error)

    def _close_all(self) -> None:
        readings, self._readings = self._readings, {}
        for reading in readings.values():
            reading.close()

    def discard(self) -> None:
        super().discard()
        self._close_all()
        self._leave_resource()

    def finish(self, error: Exception | None) -> None:
        super().finish(error)
        self._close_all()
        self._leave_resource()
