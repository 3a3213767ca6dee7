"""Nodes that bring a kernel the watermarks of their inputs, and emit their own."""

from __future__ import annotations

from collections.abc import Callable

from mypy_extensions import i64

from rxdag.contract import ENDED, FLUSHED, IDLE, MAX, MIN, FanInKernel, Kernel, OnError
from rxdag.engine._calling_node import CallingNode
from rxdag.engine._context import RunContext
from rxdag.engine._point import FIRING, MARKS


class WatermarkNode(CallingNode):
    """Combines the watermarks of the inputs, and makes the kernel emit what is due before one goes downstream.

    Args:
        name: Of the node.
        run: The run.
        policy: Error policy for items on which user code fails.
        make: Makes the kernel.
        clock: "processing" to stamp items with the time of the run's clock.
        inputs: How many inputs it has.
    """

    def __init__(
        self, name: str, run: RunContext, policy: OnError, make: Callable[[], Kernel], clock: str, inputs: int
    ) -> None:
        super().__init__(name, run, policy, make, clock, inputs)
        self.makes_time: bool = self.kernel.makes_time
        fan_in = self.fan_in
        self.hears_ends = fan_in is not None and type(fan_in).on_input_end is not FanInKernel.on_input_end
        self.fires_before = self.in_clock_time
        """True if no item can have a time before that of the last one."""
        self.is_simple = inputs == 1 and not self.makes_time and not self.in_clock_time and not self.holds_back
        """True if a watermark passes unchanged, after the outputs that are due at it."""
        self.ended_inputs: set[int] = set()
        self.held_mark: i64 = MIN
        self.is_quiet = False
        """True if all inputs are idle."""
        self.said_idle = False
        """True if IDLE was the last mark sent."""
        self.lingering: i64 = MIN
        self.is_end_called = False

    def look(self) -> None:
        """Apply the kernel's attributes."""
        raise NotImplementedError

    def fire_before(self, ts: i64) -> None:
        """Make the kernel emit what is due before an item at a time; no watermark goes downstream for it."""
        if self.in_clock_time:
            ts = self.run.clock.now()
        kernel = self.kernel
        if kernel.is_paused:
            self.guard(self.call_watermark, int(kernel.watermark))
        elif ts - 1 > kernel.watermark:
            # Not ts: this item, and others of the same instant, are still to come.
            kernel.watermark = ts - 1
            if self.has_watermark and int(ts - 1) >= kernel.wake:
                self.guard(self.call_watermark, ts - 1)

    def mark(self, watermark: i64) -> None:
        if (
            not self.is_simple
            or watermark >= FLUSHED
            or self.is_ended
            or (self.rests_inputs and self.is_resting)
            # Last, since rises() has a side effect: it accepts the watermark.
            or not self.marks.rises(watermark)
        ):
            self.take_mark(0, watermark)
            return
        kernel = self.kernel
        if watermark > kernel.watermark:
            kernel.watermark = watermark
            if self.has_watermark and int(watermark) >= kernel.wake:
                self.guard(self.call_watermark, watermark)
                if self.is_ended or self.has_paused(watermark):
                    return
        self.give_mark(watermark)
        if self.watches:
            self.look()

    def take_mark(self, input: int, watermark: i64) -> None:
        """Take a watermark of an input."""
        if self.is_ended:
            return
        if self.tells_changed:
            self.heard.append(input)
        if watermark >= FLUSHED:
            self.note_input_end(input)
        self.give_out(self.marks.advance(input, watermark))
        if self.watches:
            self.look()

    def note_input_end(self, input: int) -> None:
        """Notify the kernel that an input has ended by itself, or is flushed."""
        if self.hears_ends and input not in self.ended_inputs:
            self.ended_inputs.add(input)
            self.guard(self.call_input_end, input)

    def give_out(self, marks: tuple[int, ...]) -> None:
        """Take the watermarks of all inputs together, one after the other."""
        for mark in marks:
            if self.is_ended:
                return
            if self.kernel.is_paused:  # behind outputs that are still due
                self.hold((MARKS, 0, None, mark, 0, None))
            else:
                self.combined(mark)

    def combined(self, watermark: i64) -> None:
        """Handle a change of the combined watermark: a new one, idle, or active again."""
        kernel = self.kernel
        if watermark == ENDED:
            if not self.in_clock_time:
                kernel.watermark = MAX
                if self.has_watermark:
                    self.go_on_firing(watermark)
                    return
        elif watermark < FLUSHED and not self.makes_time and not self.in_clock_time and watermark > kernel.watermark:
            kernel.watermark = watermark
            if self.has_watermark and int(watermark) >= kernel.wake:
                self.go_on_firing(watermark)
                return
        self.fired(watermark)

    def go_on_firing(self, watermark: i64) -> None:
        """Call the kernel at a watermark; if it pauses, keep the watermark here and continue later."""
        if not self.is_end_called:  # otherwise it has paused in on_end
            self.guard(self.call_watermark, MAX if watermark == ENDED else watermark)
            if self.is_ended or self.has_paused(watermark):
                return
        self.fired(watermark)

    def has_paused(self, watermark: i64) -> bool:
        """Return True if the kernel has stopped in the middle; the watermark is then kept here."""
        if not self.kernel.is_paused or self.is_ended:
            return False
        self.hold((FIRING, 0, None, watermark, 0, None))
        return True

    def fired(self, watermark: i64) -> None:
        """Pass a watermark on after the outputs that were due at it."""
        kernel = self.kernel
        if watermark >= FLUSHED:
            self.end_kernel()
            if self.has_paused(watermark):
                return
        elif self.makes_time:
            return
        if self.is_ended:
            return
        # on_end may have failed, which ends the node.
        if watermark >= FLUSHED and kernel.lingers:
            self.lingering = watermark  # the end is passed on after the remaining outputs
            return
        self.is_quiet = watermark == IDLE
        if self.holds_back and watermark < FLUSHED:
            if watermark > self.held_mark:
                self.held_mark = watermark
            self.mark_below()
            return
        self.said_idle = self.is_quiet
        self.give_mark(watermark)

    def mark_below(self) -> None:
        """Emit the watermark and idleness as far as the items held by the kernel allow."""
        if self.kernel.is_paused:  # they follow the outputs that are still due
            return
        try:
            low: i64 = max(MIN, min(self.kernel.low(), MAX))  # the kernel may return any value
        except BaseException as error:
            self.break_down(error)
            return
        # The item at `low` is still to be emitted, so the watermark must stay below its time.
        mark = self.held_mark if self.held_mark < low - 1 else low - 1
        if mark > self.watermark:
            self.said_idle = False
            self.give_mark(mark)
        if not self.is_quiet:
            if self.said_idle:
                self.said_idle = False
                self.give_mark(self.watermark)
        elif not self.said_idle and (low == MAX or not self.gives_alone()):
            # Not while held items may still be emitted: readers would no longer wait for them.
            self.said_idle = True
            self.give_mark(IDLE)

    def gives_alone(self) -> bool:
        """Return True if the kernel's items come out without further input."""
        return self.kernel.timer is not None

    def end_kernel(self) -> None:
        """Notify the kernel of the end, once, or until it has emitted everything."""
        if (not self.is_end_called or self.kernel.is_paused) and not self.is_ended:
            self.is_end_called = True
            self.guard(self.call_end, 0)
