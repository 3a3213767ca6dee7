"""Nodes whose items become streams, which they open, read while gates have space, and close."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mypy_extensions import i64

from rxdag.contract import (
    DEAD,
    END,
    FLUSHED,
    MAX,
    MIN,
    SKIP,
    BadItem,
    BadProgram,
    Clock,
    DeadLetter,
    Inner,
    InnerKernel,
    Kernel,
    OnError,
    Source,
)
from rxdag.engine._context import RunContext
from rxdag.engine._faults import checked_resource, left, node_error
from rxdag.engine._kernel_node import KernelNode
from rxdag.engine._reading import Reading
from rxdag.engine._room import Room
from rxdag.errors import text_of

if TYPE_CHECKING:
    from asyncio import Future


class InnerNode(KernelNode):
    """Runs a kernel whose items become streams. They take turns, one read each."""

    room: Room

    def __init__(
        self, name: str, run: RunContext, policy: OnError, make: Callable[[], Kernel], clock: str, inputs: int
    ) -> None:
        super().__init__(name, run, policy, make, clock, inputs)
        self.came_inside = 0
        """Items of inner streams that were skipped, dropped, dead-lettered or discarded here."""
        self.readings: dict[Inner, Reading] = {}
        self.matched: list[Inner] = []
        """The kernel's streams at the last look."""
        self.is_scheduled = False
        self.drains = False
        self.is_draining = False
        self.is_open = False
        self.entering: Any = None
        self.resource: Any = None
        """Resource of the streams, from entering it to leaving it."""
        self.own_error: Exception | None = None
        self.dag = run.dag_name
        self.clock: Clock = run.clock
        self.saves = self.replays = False
        self.records = True

    def received(self) -> int:
        return int(self.came) - self.came_inside

    def open(self) -> None:
        kernel = self.inner_kernel
        try:
            if not self.is_ended:
                kernel.open(self)
        except BaseException as error:
            self.break_down(error)
        make = kernel.resource
        self.is_open = make is None
        super().open()
        if make is not None and not self.is_ended:
            self.run.spawn(self.name, self.enter(make), self.entered)

    @property
    def inner_kernel(self) -> InnerKernel:
        """The kernel."""
        kernel = self.kernel
        assert isinstance(kernel, InnerKernel)
        return kernel

    @property
    def waits(self) -> bool:
        """True if a stream may deliver an item for which the run has no timer."""
        return not self.is_ended and bool(self.readings)

    def log(self, code: str, **fields: object) -> None:
        self.run.events.tell(code, self.name, **fields)

    async def enter(self, make: Any) -> Any:
        """Enter the resource of the streams."""
        self.entering = resource = checked_resource(make(), "resource")
        return await resource.__aenter__()

    def entered(self, task: Future[Any]) -> None:
        """Store the entered resource, or handle its failure."""
        if task.cancelled():
            return
        if (error := task.exception()) is not None:
            if self.is_ended:
                # break_down() does not fail the run if the node has ended, so the run must be told directly.
                self.run.fail(node_error(self.name, error))
            self.break_down(error)
            return
        self.resource = self.entering
        if self.is_ended:
            self.leave_resource()
            return
        self.inner_kernel.opened = task.result()
        self.is_open = True
        self.look()

    def leave_resource(self) -> None:
        """Leave the resource of the streams, with the error of the node or the run."""
        resource, self.resource = self.resource, None
        if resource is not None:
            error: BaseException | None = self.own_error or self.run.error
            if error is None and not self.run.may_succeed:
                error = self.run.cancelled("the run was cancelled")
            # As a separate task, since leaving a resource may await, and this call cannot.
            self.run.spawn(self.name, left(resource, error))

    def fail(self, error: Exception) -> None:
        if self.own_error is None:
            self.own_error = error
        super().fail(error)

    def source_of(self, inner: Inner) -> Source[Any]:
        """Return the stream of an item; raises if it cannot be read here."""
        source = self.inner_kernel.source_of(inner)
        if source.where == "blocking":
            raise BadProgram(
                f"an inner stream must run on the caller's thread or on the loop, got {source.label}, which blocks; "
                f"read it in a coroutine"
            )
        return source

    def malformed(self, item: object, error: Exception) -> None:
        """Apply the node's error policy to malformed input of an inner stream."""
        is_skipped = self.policy.last is SKIP
        if not is_skipped and self.policy.last is not DEAD:
            raise error
        self.came += 1
        self.came_inside += 1
        if is_skipped:
            self.note_drop("skipped", 1)
        else:
            self.dead += 1
        self.note_loss()
        letters = None if is_skipped else self.ports.get("dead")
        if letters is not None:
            self.give(letters, DeadLetter(self.name, item, error, 1, text_of(error)), 0, 0, None)

    def bind(self) -> None:
        self.absorbs = True  # set early, since nodes behind may be shut before this one is open
        super().bind()
        self.watches = True

    def on_open(self) -> None:
        if not self.is_ended:
            self.schedule()

    def look(self) -> None:
        self.give_ready()
        super().look()
        if self.is_ended:
            return
        self.match()
        if self.lingering != MIN and not self.kernel.held():
            self.kernel.lingers = False
            self.stop_lingering()
        elif self.drains and not self.kernel.held():
            self.drains = False
            super().inputs_ended(None)
        if self.is_open and any(reading.is_ready for reading in self.readings.values()):
            self.schedule()

    def schedule(self) -> None:
        """Schedule a turn to read."""
        if not self.is_scheduled:
            self.is_scheduled = True
            self.domain.open_up(self)

    def give_ready(self) -> None:
        """Emit finished items; apply the error policy to failed ones."""
        kernel = self.inner_kernel
        while not self.is_ended:
            inner = kernel.ready()
            if inner is None:
                return
            self.have_at_hand(inner)
            if inner.error is not None:
                error, attempts = inner.error
                self.bury(inner.item, self.blamed(inner.item, error), attempts)
                continue
            self.emit.given = 0
            try:
                kernel.give(inner, self.emit)
            except BaseException as failure:
                self.emit.given = -1
                self.bury(inner.item, self.blamed(inner.item, failure), 1)
            self.emit.given = -1

    def match(self) -> None:
        """Open a reading for each stream of the kernel, and close all others."""
        wanted = self.inner_kernel.inner
        if self.inner_kernel.plays or wanted == self.matched:
            return
        self.matched = list(wanted)
        kept = set(wanted)
        # Close before opening others, so that no more are open at once than the kernel allows.
        for inner in [inner for inner in self.readings if inner not in kept]:
            self.readings.pop(inner).close("replaced")
        most = self.inner_kernel.concurrency or len(wanted)
        for inner in [inner for inner in wanted if inner not in self.readings and not inner.is_done]:
            if len(self.readings) >= most:  # of a run with a higher concurrency: opened once another one has closed
                self.matched = []
                break
            self.readings[inner] = Reading(self, inner)

    def go_on(self) -> None:
        """Read once from the stream whose turn it is."""
        self.is_scheduled = False
        if self.is_ended or self.blocked or not self.is_open:
            return
        if self.is_draining:
            self.stop_all()
            self.look()
            return
        reading = next((each for each in self.readings.values() if each.is_ready), None)
        if reading is None:
            return
        self.readings[reading.inner] = self.readings.pop(reading.inner)  # moves it to the end of the queue
        self.read(reading, int(self.room.measure(self.domain.quantum)))
        self.look()

    def read(self, reading: Reading, room: int) -> None:
        """Read a stream."""
        inner = reading.inner
        self.have_at_hand(inner)
        try:
            read = reading.read(room)
        except BaseException as error:
            self.stream_failed(reading, error)
            return
        if read is None:
            reading.is_ready = False
        elif read is END:
            self.stream_ended(reading)
        else:
            self.take_in(reading, read.rows().items)

    def have_at_hand(self, inner: Inner) -> None:
        """Set the time and key that the exits attach to outputs to those of an item."""
        emit = self.emit
        emit.item = inner.item
        emit.ts = inner.ts
        emit.sequence = inner.sequence
        emit.key = inner.key

    def take_in(self, reading: Reading, items: list[Any], *, is_last: bool = False) -> None:
        """Take the chunk of a stream; the rest waits for its next turn if the thread is needed elsewhere."""
        inner = reading.inner
        emit = self.emit
        for i, item in enumerate(items):
            if self.is_ended:
                return
            if i and not is_last and self.domain.must_give_back():
                reading.left = items[i:]
                return
            if inner.skip:
                inner.skip -= 1
                continue
            inner.given += 1
            emit.given = 0
            try:
                self.inner_kernel.on_inner(inner, item, emit)
            except BaseException as error:
                emit.given = -1
                self.fail(node_error(self.name, error))
                return
            emit.given = -1

    def stream_ended(self, reading: Reading) -> None:
        """Handle the end of a stream."""
        reading.is_ready = False
        inner = reading.inner
        inner.is_done = True
        reading.close()
        self.readings.pop(inner, None)
        self.emit.given = 0
        try:
            self.inner_kernel.on_inner_end(inner, self.emit)
        except BaseException as error:
            self.emit.given = -1
            self.fail(node_error(self.name, error))
        self.emit.given = -1

    def stream_failed(self, reading: Reading, error: BaseException) -> None:
        """Retry a failed stream that has delivered nothing yet, else apply the error policy to its items."""
        inner, kernel = reading.inner, self.inner_kernel
        reading.attempts += 1
        reading.close()
        if not isinstance(error, Exception):
            self.readings.pop(inner, None)
            held = kernel.let_go(inner, error, reading.attempts)
            if held is None:
                self.break_down(error)
            else:
                self.bury(held.item, error, reading.attempts)
            return
        is_bad = isinstance(self.blamed(inner.item, error), BadItem)
        # A stream that has delivered items is not reopened: they would be delivered twice.
        again = not inner.given and not is_bad
        wait = self.policy.wait_ns(error, reading.attempts, self.run.random) if again else None
        if wait is not None:
            self.retried += 1
            self.note_loss()
            if wait:
                reading.is_ready = False
                reading.wake_at(self.run.clock.now() + wait)
            return
        self.readings.pop(inner, None)
        inner.is_done = True
        kernel.on_inner_failed(inner, error, reading.attempts)

    def give_mark(self, watermark: i64) -> None:
        # Watermarks take no room, and the kernel keeps them below the items it holds.
        if self.is_resting:
            super().give_mark(watermark)
            return
        if watermark > self.watermark:
            self.watermark = watermark
        for exit_ in self.exits:
            if exit_.timed or watermark > MAX:
                exit_.out.mark(watermark)

    def gives_alone(self) -> bool:
        return True

    def combined(self, watermark: i64) -> None:
        if watermark == FLUSHED and not self.inner_kernel.ends_alone:
            self.stop_all()
        super().combined(watermark)

    def drain(self) -> None:
        """Stop the streams, also of later items: an endless one could keep the end of the input from its turn."""
        if not self.inner_kernel.ends_alone and not self.is_ended:
            self.is_draining = True
            self.stop_all()
            self.look()

    def stop_all(self) -> None:
        """Stop reading; items that the streams have taken in go out."""
        for reading in list(self.readings.values()):
            self.have_at_hand(reading.inner)
            left, reading.left = reading.left, []
            self.take_in(reading, left, is_last=True)
            while reading.reader is not None:
                rest = reading.reader.rest(int(self.domain.quantum))
                if not rest:
                    break
                self.take_in(reading, rest.rows().items, is_last=True)
            self.stream_ended(reading)

    def inputs_ended(self, error: Exception | None) -> None:
        if error is None and self.lingering == MIN and self.kernel.held() and not self.is_ended:
            if self.inner_kernel.ends_alone:
                self.drains = True
                self.inner_kernel.on_drain()
                self.look()
                return
            self.stop_all()
        super().inputs_ended(error)

    def close_all(self) -> None:
        """Close all streams, and what the kernel has opened."""
        readings, self.readings = self.readings, {}
        for reading in readings.values():
            reading.close()
        self.inner_kernel.close()

    def forget_state(self) -> None:
        super().forget_state()
        self.close_all()
        self.leave_resource()

    def finish(self, error: Exception | None) -> None:
        if self.own_error is None:
            self.own_error = error
        super().finish(error)
        self.close_all()
        self.leave_resource()
