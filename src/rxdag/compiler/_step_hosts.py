"""Hosts that may leave off in the middle of a chunk: for want of room, or until an item is tried again."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Final, Literal

from rxdag.compiler._kernel_host import KernelHost, Rows
from rxdag.contract import BadItem, Chunk, Kernel

_END_OF_ITEM: Final = object()


class _Pending:
    """A chunk, and how far the work on it has got."""

    __slots__ = ("attempts", "given", "has_row", "input", "left", "mark", "outputs", "row", "rows", "runs")

    def __init__(self, input: int, runs: Iterator[tuple[Rows, int | None]], n: int) -> None:
        self.input = input
        self.runs = runs
        self.left = n
        self.rows: Rows = iter(())
        self.mark: int | None = None
        self.row: tuple[Any, int, int, Any] = (None, 0, 0, None)
        self.has_row = False
        self.outputs: Iterator[Any] | None = None
        self.attempts = 0
        self.given = 0

    def take_up(self, row: tuple[Any, int, int, Any]) -> None:
        """Have an item at hand."""
        self.row, self.has_row = row, True
        self.outputs, self.attempts, self.given = None, 0, 0

    def put_down(self) -> None:
        """The item at hand is done with."""
        self.has_row = False
        self.outputs = None
        self.left -= 1


def _nothing() -> None:
    """What a kernel that expands has for `on_item`."""


class StepHost(KernelHost):
    """Works on items one after the other: items that become many go out as there is room, others are tried again."""

    def __init__(self, *args: Any) -> None:
        self._pending: deque[_Pending] = deque()
        super().__init__(*args)

    @property
    def expands(self) -> bool:
        """True if items become many."""
        return type(self.kernel).expand is not Kernel.expand

    def _caller(self) -> Callable[[], None]:
        return _nothing if self.expands else super()._caller()

    def _looks_at_clock(self) -> bool:
        return not self.expands and super()._looks_at_clock()

    def held(self) -> int:
        return super().held() + sum(pending.left for pending in self._pending)

    def discard(self) -> None:
        super().discard()
        self._pending.clear()

    def take(self, input: int, chunk: Chunk) -> None:
        self._pending.append(_Pending(input, self._runs(chunk), len(chunk.items)))
        if len(self._pending) == 1:
            self.segment.handover.fresh.append((self._resume, None))

    def _resume(self, _: object) -> None:
        """Go on with what waits, as far as there is room."""
        if self.is_ended or not self._pending:
            return
        room = self._room()
        state = "waits" if room == 0 else self._advance(self._pending[0], room)
        if self.is_ended:
            return
        self._settle()
        if state == "waits":
            self.segment.handover.suspend(self, self._resume)
            return
        if state == "done":
            self._pending.popleft()
        if self._pending:
            self.segment.handover.fresh.append((self._resume, None))

    def _advance(self, pending: _Pending, room: int) -> Literal["done", "more", "waits"]:
        """Work on a chunk until it is done, `room` outputs have gone out, or an item is to be tried again later."""
        emit = self._emit
        emit.input = pending.input
        if self._has_clock:
            emit.now = self.context.clock.now()
        emit.item, emit.ts, emit.sequence, emit.key = pending.row
        while room and not self.is_ended:
            if not pending.has_row and not self._take_up_next(pending):
                return "done"
            try:
                output = self._output(pending)
            except Exception as error:
                wait = self._wait_ns(pending, error)
                if wait is None:
                    attempts = pending.attempts
                    pending.put_down()
                    self._bury(error, attempts)
                    continue
                self.ledger.retried += 1
                if wait:
                    self.segment.scheduler.at(self.context.clock.now() + wait, self.go_on, rank=self.rank)
                    return "waits"
                continue
            if output is _END_OF_ITEM:
                pending.put_down()
                if self._can_finish and self.kernel.is_finished():
                    self._leave_off(pending)
                continue
            emit(output)
            pending.given += 1
            room -= 1
        return "more"

    def _take_up_next(self, pending: _Pending) -> bool:
        """Have the next item at hand, behind the marks before it; False if there is none."""
        while True:
            row = next(pending.rows, None)
            if row is not None:
                break
            if pending.mark is not None:
                self._mark(pending.input, pending.mark)
            following = next(pending.runs, None)
            if following is None:
                return False
            pending.rows, pending.mark = following
        pending.take_up(row)
        if self._marks.some_idle:
            self._give_out(self._marks.wake(pending.input))
        emit = self._emit
        emit.item, emit.ts, emit.sequence, emit.key = row
        return True

    def _output(self, pending: _Pending) -> Any:
        """The next output of the item at hand; of a kernel that does not expand there is none but by `on_item`."""
        if not self.expands:
            self._call()
            return _END_OF_ITEM
        if pending.outputs is None:
            pending.outputs = iter(self.kernel.expand(self._emit.item) or ())
        output = next(pending.outputs, _END_OF_ITEM)
        if output is _END_OF_ITEM:
            self.ledger.absorbed += 1
        return output

    def _wait_ns(self, pending: _Pending, error: Exception) -> int | None:
        """How long to wait before the item at hand is tried again; None if it is not."""
        pending.attempts += 1
        pending.outputs = None
        if pending.given or isinstance(self.kernel.blame(self._emit.item, error), BadItem):
            return None
        return self.policy.wait_ns(error, pending.attempts, self.context.random)

    def _leave_off(self, pending: _Pending) -> None:
        """The kernel is finished: the rest is not read."""
        self.ledger.unread += sum(each.left for each in self._pending)
        self._pending.clear()
        self._finish_early()


class ReleaseHost(KernelHost):
    """Runs a kernel that takes everything, and gives out what it holds as there is room."""

    _credit = 0

    def _caller(self) -> Callable[[], None]:
        call = super()._caller()

        def call_and_release() -> None:
            # An item goes out as it comes while there is room: so it does not matter how items were put into chunks.
            call()
            if self._credit:
                self.kernel.release(1, self._emit)
                self._credit -= 1

        return call_and_release

    def take(self, input: int, chunk: Chunk) -> None:
        self._credit = self._room()
        super().take(input, chunk)

    def _settle(self) -> None:
        super()._settle()
        self._credit = 0
        if not self.is_ended and self.kernel.held():
            self.segment.handover.fresh.append((self._release, None))

    def _release(self, _: object) -> None:
        """Give out what is held, as far as there is room."""
        if self.is_ended:
            return
        room = self._room()
        if room:
            self.kernel.release(room, self._emit)
            self._settle()

    def go_on(self) -> None:
        self._release(None)
        self.segment.run()
