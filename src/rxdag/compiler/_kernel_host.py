"""The reactivex kernel host: runs one node from its kernel alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice, repeat
from typing import Any, TypeAlias

from rxdag.compiler._emit import HostEmit, caller
from rxdag.compiler._host import Host, RunContext, node_error, restarted
from rxdag.compiler._input_marks import InputMarks
from rxdag.contract import ENDED, FLUSHED, MAX, MIN, Chunk, Kernel, OnError, on_item_parameters
from rxdag.schedulers import Gate, Room, Segment, Timer

Rows: TypeAlias = Iterator[tuple[Any, int, int, Any]]


class KernelHost(Host):
    """Runs a kernel: feeds it items, watermarks, timers and the end, in their order.

    Args:
        name: Of the node.
        segment: Where it runs.
        context: Of the run.
        policy: What becomes of an item on which user code fails.
        make: Makes the state machine.
        clock: "processing" to stamp items with the time of the scheduler.
    """

    def __init__(
        self,
        name: str,
        segment: Segment,
        context: RunContext,
        policy: OnError,
        make: Callable[[], Kernel],
        clock: str,
    ) -> None:
        super().__init__(name, segment, context, policy)
        self._make = make
        self.kernel = kernel = make()
        self.passes = kernel.passes
        kind = type(kernel)
        self.has_want = kind.want is not Kernel.want or kind.want_from is not Kernel.want_from
        self._holds_back = kind.low is not Kernel.low
        self._held_mark = MIN
        self._hears_ends = kind.on_input_end is not Kernel.on_input_end
        self._ended_inputs: set[int] = set()
        self.input_gates: dict[int, Gate] = {}
        self.behind = Room()
        self._processing = clock == "processing"
        self._has_clock = self._processing or self._looks_at_clock()
        self._lingering: tuple[int] | None = None
        self._emit = HostEmit(self)
        self._call = self._caller()
        self._can_finish = type(kernel).is_finished is not Kernel.is_finished
        self._marks = InputMarks(0)
        self._watermark = MIN
        self._end_called = False
        self._timer: Timer | None = None
        self._is_discarded = False
        self._clock_mark = MIN

    def _looks_at_clock(self) -> bool:
        return "now" in on_item_parameters(type(self.kernel))

    def _caller(self) -> Callable[[], None]:
        return caller(self.kernel, on_item_parameters(type(self.kernel)), self._emit, in_clock_time=self._processing)

    def open(self) -> None:
        """Get ready, once all outlets and wires are there."""
        self._emit.open()
        self._marks = InputMarks(len(self.wires))
        self._bind()
        self._shut_gates()
        if type(self.kernel).on_start is not Kernel.on_start:
            self._guard(lambda: self.kernel.on_start(self.context.clock.now(), self._emit))
        self._settle()

    @property
    def watermark(self) -> int:
        """The watermark at the output."""
        return self._watermark

    def restart(self) -> None:
        """Go on with a new kernel that has taken up a deep copy of the state of this one."""
        self.kernel = restarted(self.kernel, self._make)
        self._call = self._caller()
        self._bind()
        self._arm()

    def _bind(self) -> None:
        self.kernel.inputs = self._marks
        self.may_refuse = self.has_want and len(self.wires) > 1

    def want_from(self, input: int) -> int | None:
        """Most items that the kernel takes from an input now."""
        return None if self.is_ended else self.kernel.want_from(input, self.context.clock.now())

    def _shut_gates(self) -> None:
        """Let nothing into the gates of inputs whose turn has not come; open those whose turn it is."""
        opened = self.kernel.open_inputs
        for input, gate in self.input_gates.items():
            gate.set_shut(opened is not None and input >= opened)

    def held(self) -> int:
        return 0 if self._is_discarded else self.kernel.held()

    def discard(self) -> None:
        if not self._is_discarded:
            self.ledger.discarded += self.held()
            self._is_discarded = True
        if self._timer is not None:
            self._timer.cancel()

    # ---- input

    def receive(self, input: int, chunk: Chunk) -> None:
        n = len(chunk.items)
        self.ledger.arrived += n
        if self.is_ended:
            self.ledger.unread += n
            return
        self._emit.input = input
        self.take(input, chunk)

    def take(self, input: int, chunk: Chunk) -> None:
        """Work on a chunk, marks and all."""
        for run, mark in self._runs(chunk):
            if self._marks.some_idle:
                run = self._woken(input, run)
            self._work(run)
            if mark is not None:
                self._mark(input, mark)
        self._settle()

    def _woken(self, input: int, rows: Rows) -> Rows:
        """An input that was idle is not so any more if it has items."""
        row = next(rows, None)
        if row is None:
            return rows
        self._give_out(self._marks.wake(input))
        return chain((row,), rows)

    def _rows(self, chunk: Chunk) -> Rows:
        ts: Iterable[int] = chunk.ts or repeat(0)
        if self._has_clock:
            self._emit.now = now = self.context.clock.now()
            if self._processing and now - 1 > self._clock_mark:  # what has passed on the clock is past for the kernel
                self._advance_clock(now - 1)
        sequence: Iterable[int] = chunk.sequence or repeat(0)
        key: Iterable[Any] = chunk.key or repeat(None)
        items: list[Any] = chunk.items
        return iter(zip(items, ts, sequence, key, strict=False))  # the repeats have no end

    def _advance_clock(self, watermark: int) -> None:
        self._clock_mark = watermark
        self.kernel.watermark = watermark
        if watermark >= self.kernel.wake:
            self._guard(lambda: self.kernel.on_watermark(watermark, self._emit))

    def _runs(self, chunk: Chunk) -> Iterator[tuple[Rows, int | None]]:
        """The runs of items between marks, each with the mark behind it."""
        rows, at = self._rows(chunk), 0
        for position, mark in chunk.marks:
            yield islice(rows, position - at), mark
            at = position
        yield rows, None

    def _work(self, rows: Rows) -> None:
        """Feed a run of items; what follows one on which the node fails is discarded."""
        emit, call = self._emit, self._call
        while not self.is_ended:
            try:
                if self._can_finish:
                    for emit.item, emit.ts, emit.sequence, emit.key in rows:
                        call()
                        if self.kernel.is_finished():
                            self.ledger.unread += sum(1 for _ in rows)
                            self._finish_early()
                            return
                else:
                    for emit.item, emit.ts, emit.sequence, emit.key in rows:
                        call()
                return
            except Exception as error:
                self._bury(error)
        # Between failing and here only the rest of a chunk can come.
        self.ledger.discarded += sum(1 for _ in rows)

    def _bury(self, error: Exception, attempts: int = 1) -> bool:
        blamed = self.kernel.blame(self._emit.item, error)
        return self.bury(self.ledger, self.name, self._emit.item, blamed, self.outlets, attempts)

    # ---- room, for hosts that look what is behind them

    def wake(self) -> None:
        """There is room in the gate that it waits for; from any thread."""
        self.segment.scheduler.call(self.go_on)

    def go_on(self) -> None:
        """Go on with what was left off."""
        self.segment.resume(self)

    def _room(self) -> int:
        """Most items that may go out now; 0 if it waits for a gate."""
        return self.behind.measure(self.segment.scheduler.quantum, self, least=1)

    # ---- watermarks, timers, ends

    def mark(self, watermark: int) -> None:
        """Give out a watermark on every port that has event time; the end on all."""
        self._watermark = max(self._watermark, watermark)
        for outlet in self.outlets.values():
            if outlet.timed or watermark >= FLUSHED:
                outlet.mark(watermark)

    def _mark(self, input: int, mark: int) -> None:
        if self.is_ended:
            return
        if mark >= FLUSHED:
            self._input_ended(input)
        self._give_out(self._marks.advance(input, mark))

    def _input_ended(self, input: int) -> None:
        if self._hears_ends and input not in self._ended_inputs:
            self._ended_inputs.add(input)
            self._guard(lambda: self.kernel.on_input_end(input, self._emit))

    def input_failed(self, input: int, error: Exception) -> bool:
        """True if the kernel goes on although an input has failed."""
        if self.is_ended or input >= self.kernel.may_catch:
            return False
        if not self.kernel.catches(input, error):
            if not self.is_caught:
                self.context.fail(error)
            return False
        self._mark(input, ENDED)
        self._settle()
        self.segment.run()
        return True

    def _give_out(self, marks: tuple[int, ...]) -> None:
        for mark in marks:
            if not self.is_ended:
                self._combined(mark)

    def _combined(self, combined: int) -> None:
        """All inputs together have got to a watermark, or are idle, or active again."""
        kernel, emit = self.kernel, self._emit
        if combined >= FLUSHED:
            if combined == ENDED and not self._processing:
                kernel.watermark = MAX
                self._guard(lambda: kernel.on_watermark(MAX, emit))
            self._call_end()
        elif kernel.makes_time:
            return
        elif not self._processing and combined > kernel.watermark:
            kernel.watermark = combined
            if combined >= kernel.wake:
                self._guard(lambda: kernel.on_watermark(combined, emit))
        if self.is_ended:
            return
        if combined >= FLUSHED and kernel.lingers:
            self._lingering = (combined,)  # the end goes on behind what comes out yet
            return
        if self._holds_back and MIN < combined < FLUSHED:
            self._held_mark = combined
            self._mark_below()
            return
        emit.watermark(combined)

    def _mark_below(self) -> None:
        """Give out the watermark as far as what rests in the kernel lets it go."""
        mark = min(self._held_mark, self.kernel.low() - 1)
        if mark > self._watermark:
            self._emit.watermark(mark)

    def _call_end(self) -> None:
        if not self._end_called and not self.is_ended:
            self._end_called = True
            self._guard(lambda: self.kernel.on_end(self._emit))

    def _guard(self, fn: Callable[[], None]) -> None:
        """Call into the kernel where no single item is at hand."""
        try:
            fn()
        except Exception as error:
            self.fail(node_error(self.name, error))

    def _on_timer(self) -> None:
        self.segment.when_clear(self._fire, self.reaches)

    def _fire(self) -> None:
        self._timer = None
        due = self.kernel.timer
        if self.is_ended:
            return
        if due is None or due > self.context.clock.now():
            self._arm()
            return
        self._guard(lambda: self.kernel.on_timer(self.context.clock.now(), self._emit))
        self._settle()
        self._stop_lingering()
        self.segment.run()
        if self.has_want:  # it may take items again
            for pump in self.segment.pumps:
                pump.wake()

    def _stop_lingering(self) -> None:
        """End if the end waited for what has come out now."""
        if self._lingering is None or self.kernel.lingers or self.is_ended:
            return
        (mark,), self._lingering = self._lingering, None
        self._emit.watermark(mark)
        if self._open_inputs == 0:
            self.inputs_ended(None)

    def _settle(self) -> None:
        """Hand over what came out; set the timer that the kernel wants; end if it is done."""
        if self.is_ended:
            return
        if self._held_mark > self._watermark:
            self._mark_below()
        self.flush()
        self._arm()
        if self.input_gates:
            self._shut_gates()
        if self.has_want and len(self.wires) > 1:
            for pump in self.segment.pumps:
                if pump.is_parked:
                    pump.wake()
        if self._can_finish and self.kernel.is_finished():
            self._finish_early()

    def _arm(self) -> None:
        due = self.kernel.timer
        if self._timer is not None:
            # An earlier timer stays and sets the later one when it fires: one that is put off with each item is one timer.
            if due is not None and self._timer.when <= due:
                return
            self._timer.cancel()
            self._timer = None
        if due is not None:
            self._timer = self.segment.scheduler.at(due, self._on_timer, rank=self.rank)

    def _finish_early(self) -> None:
        if self.is_ended:
            return
        self._emit.watermark(ENDED)
        self.discard()
        self.finish(None)
        self.leave()

    def inputs_ended(self, error: Exception | None) -> None:
        if error is None and self._lingering is not None:
            return
        if self._timer is not None:
            self._timer.cancel()
        super().inputs_ended(error)
