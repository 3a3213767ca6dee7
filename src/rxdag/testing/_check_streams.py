"""A node of a driven graph whose items become streams: it opens, reads and closes them in turn."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from random import Random

from rxdag.contract import END, Boundary, Clock, Inner, InnerKernel, OnError, Reader, Saw
from rxdag.engine.drivers import VirtualClock, VirtualLoop
from rxdag.testing._check_node import DrivenNode


class ReadContext:
    """The run as a reader sees it: a clock and wake-ups.

    Args:
        clock: Clock of the run.
        give_up: Called with a malformed item and the reason.
    """

    name = dag = "streams"
    saves = False
    boundary: Boundary | None = None
    saw: Saw | None = None
    wants_columns = False

    def __init__(self, clock: Clock, give_up: Callable[[object, Exception], None]) -> None:
        self.clock = clock
        self.random = Random(0)
        self.due: int | None = None
        self._give_up = give_up

    def wake(self) -> None:
        """Ignore the call: every reader is read at every turn."""

    def wake_at(self, when: int) -> None:
        self.due = when

    def wants_thread(self) -> bool:
        return False

    def emit(self, port: str, item: object) -> None:
        """Ignore the item: side ports have no reader."""

    def log(self, code: str, **fields: object) -> None:
        """Ignore the event: logs have no reader."""

    def bad(self, item: object, error: Exception) -> None:
        self._give_up(item, error)

    def drop(self, reason: str, n: int = 1) -> None:
        """Ignore the call: nothing is counted."""


class StreamsNode(DrivenNode):
    """Calls a kernel whose items become streams; each open one delivers one item per turn, in order."""

    def __init__(self, name: str, kernel: InnerKernel, policy: OnError, n: int, clock: VirtualClock) -> None:
        super().__init__(name, kernel, policy, n, clock, by_clock=False)
        self._inner_kernel = kernel
        self._loop = VirtualLoop(clock)
        self._clock = clock
        self._readers: dict[Inner, Reader] = {}
        self._attempts: dict[Inner, int] = {}
        if kernel.resource is not None:
            kernel.opened = self._loop.run_until_complete(kernel.resource().__aenter__())

    @property
    def waits(self) -> bool:
        return bool(self._readers) and not self.is_ended

    def settle(self) -> None:
        self._give_ready()
        super().settle()
        if self._lingering is not None and not self.kernel.held():
            self.kernel.lingers = False
            super().settle()

    def _give_ready(self) -> None:
        kernel = self._inner_kernel
        while not self.is_ended and (inner := kernel.ready()) is not None:
            self._at_hand(inner)
            if inner.error is not None:
                error, attempts = inner.error
                assert isinstance(error, Exception)  # any other one ends the check
                self.bury(inner.item, kernel.blame(inner.item, error), attempts)
                continue
            try:
                kernel.give(inner, self.exits)
            except Exception as error:
                self.bury(inner.item, kernel.blame(inner.item, error))

    def _at_hand(self, inner: Inner) -> None:
        exits = self.exits
        exits.item, exits.ts, exits.sequence, exits.key = inner.item, inner.ts, inner.sequence, inner.key

    def read(self) -> bool:
        """Read one item of each stream; False if none had any."""
        if self.is_ended:
            self.close()
            return False
        had = False
        self._loop.call_soon(self._open)
        self._loop.run_up_to(self._clock.now())
        for inner, reader in list(self._readers.items()):
            if inner in self._readers:
                had = self._read(inner, reader) or had
                self.settle()
        return had

    def _open(self) -> None:
        kernel = self._inner_kernel
        wanted = [inner for inner in kernel.inner if not inner.is_done]
        for inner in [inner for inner in self._readers if inner not in wanted]:
            self._close(self._readers.pop(inner))
        readers, self._readers = self._readers, {}
        for inner in wanted:
            try:
                opened = readers.get(inner) or kernel.source_of(inner).open(ReadContext(self.clock, self.bury))
                self._readers[inner] = opened
            except Exception as error:
                self._failed(inner, error)

    def _read(self, inner: Inner, reader: Reader) -> bool:
        kernel = self._inner_kernel
        self._at_hand(inner)
        try:
            read = reader.read(1)
        except Exception as error:
            self._close(self._readers.pop(inner))
            self._failed(inner, error)
            return True
        if read is None:
            return False
        if read is END:
            inner.is_done = True
            self._close(self._readers.pop(inner))
            self.guard(partial(kernel.on_inner_end, inner, self.exits))
            return True
        for item in read.rows().items:
            if inner.skip:  # it will be repeated, and was not an item of this turn
                inner.skip -= 1
                return self._read(inner, reader)
            inner.given += 1
            self.guard(partial(kernel.on_inner, inner, item, self.exits))
        return True

    def _failed(self, inner: Inner, error: Exception) -> None:
        attempts = self._attempts[inner] = self._attempts.get(inner, 0) + 1
        if inner.given or attempts >= self.policy.attempts:
            inner.is_done = True
            self._inner_kernel.on_inner_failed(inner, error, attempts)

    def _close(self, reader: Reader) -> None:
        if self._loop.is_running():
            self._closing = self._loop.create_task(reader.aclose())
        else:
            self._loop.run_until_complete(reader.aclose())

    def close(self) -> None:
        """Close all streams."""
        if self._loop.is_closed():
            return
        for reader in self._readers.values():
            self._close(reader)
        self._readers = {}
        self._loop.close()
