"""The node that runs a kernel: it passes in items and the end, and applies the kernel's requests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mypy_extensions import i64

from rxdag.contract import ENDED, FLUSHED, MIN, Kernel, OnError
from rxdag.engine._context import RunContext
from rxdag.engine._domain import Timer
from rxdag.engine._faults import node_error
from rxdag.engine._inlet import Inlet
from rxdag.engine._point import FIRING, INPUT, INPUT_END, INPUT_MARK, MARKS, Entry
from rxdag.engine._watermark_node import WatermarkNode


class KernelNode(WatermarkNode):
    """Runs a kernel.

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
        self.open_inputs = inputs
        self.inlets: list[Inlet] = []
        self.opened: int | None = None
        """Number of inputs, counted from the first, whose entries are open; None for all."""
        self.asks_all = True
        """True if the demand must be asked for each input, not only for those that changed."""
        self.input_error: Exception | None = None
        self.is_drained = False
        """True once a drain has ended one of several inputs that had not ended by itself."""
        self.is_forgotten = False
        self.timer: Timer | None = None

    def open(self) -> None:
        """Begin, once all nodes are linked."""
        self.main = self.ports.get("out")
        if self.is_ended:
            return
        try:
            self.shut_inputs()
        except BaseException as error:
            self.break_down(error)
            return
        if not self.is_restored and type(self.kernel).on_start is not Kernel.on_start:
            self.guard(self.call_start, 0)
        self.look()

    def push(self, item: Any, ts: i64, sequence: Any, key: Any) -> None:
        self.take(0, item, ts, sequence, key)

    def take(self, input: int, item: Any, ts: i64, sequence: Any, key: Any) -> None:
        """Take an item of an input."""
        self.came += 1
        if self.is_ended:
            self.unread += 1
            return
        if self.marks.some_idle:
            self.give_out(self.marks.wake(input))
        if self.fires_before:
            self.fire_before(ts)
            if self.is_ended:
                self.unread += 1
                return
            if self.kernel.is_paused:
                # The kernel has paused while firing, which must complete before it sees the item.
                self.hold((INPUT, input, item, ts, sequence, key))
                return
        self.work(input, item, ts, sequence, key)

    def take_columns(self, input: int, columns: Any) -> None:
        """Take a run of columns of an input; of nodes that work on columns."""
        raise NotImplementedError

    def work(self, input: int, item: Any, ts: i64, sequence: Any, key: Any) -> None:
        """Call the kernel with an item."""
        if self.tells_changed:
            self.heard.append(input)
        emit = self.emit
        emit.input = input
        emit.item = item
        emit.ts = ts
        emit.sequence = sequence
        emit.key = key
        if self.has_now:
            emit.now = self.run.clock.now()
        # Opens emit for this call only; -1 closes it, so that a later call by the kernel raises.
        emit.given = 0
        try:
            self.call(item, ts, sequence, key)
        except BaseException as error:
            self.close_failed()
            self.bury(item, self.blamed(item, error), 1)
        emit.given = -1
        if self.watches:
            self.look()

    def look(self) -> None:
        """Apply the kernel's attributes: timers, demand, held watermark, early end."""
        if self.is_ended:
            return
        if self.held_mark > self.watermark or self.is_quiet != self.said_idle:
            self.mark_below()
        try:
            self.arm()
            if self.has_want or self.inlets:
                self.shut_inputs()
            is_over = self.can_finish and self.kernel.is_finished()
        except BaseException as error:
            self.break_down(error)
            return
        if is_over:
            self.finish_early()

    def wants(self) -> int | None:
        """Return the most items it takes now; None for any number."""
        if self.is_ended:
            return None
        try:
            return self.kernel.want(self.run.clock.now())
        except BaseException as error:
            self.break_down(error)
            return None

    def shut_inputs(self) -> None:
        """Shut the inputs of which it takes nothing now, and open the others."""
        if not self.inlets:
            if self.has_want:
                self.set_shut(self.kernel.want(self.run.clock.now()) == 0)
            return
        kernel = self.joining()
        self.shut_entries(kernel.open_inputs)
        if self.has_want:
            now = self.run.clock.now()
            for i in self.heard:
                self.shut_input(i, now)
            self.heard.clear()
            changed = kernel.changed_wants() if self.tells_changed else None
            if changed is None or self.asks_all:
                self.asks_all = False
                changed = range(len(self.inlets))
            for i in changed:
                self.shut_input(i, now)
        if self.is_drained:
            self.end_if_refused()

    def shut_input(self, input: int, now: int) -> None:
        """Shut an input of which it takes nothing now, or open it; one that has ended stays open for its end."""
        # Its end is still to come, and a shut inlet could keep the end in the gate.
        is_over = self.marks.of[input] >= FLUSHED
        self.inlets[input].set_shut(not is_over and self.joining().want_from(input, now) == 0)

    def shut_entries(self, opened: int | None) -> None:
        """Open the gates of the first inputs only; None for all."""
        if opened == self.opened:
            return
        self.opened = opened
        self.asks_all = True
        for i, inlet in enumerate(self.inlets):
            inlet.set_entry_shut(opened is not None and i >= opened)

    def end_if_refused(self) -> None:
        """End if nothing can come any more: a drain has ended some inputs, and the others have to wait for those."""
        if self.kernel.timer is not None or self.rests_with_inputs():
            return
        if all(inlet.is_ended or inlet.is_shut for inlet in self.inlets):
            self.inputs_ended(None)
            self.leave()

    def arm(self) -> None:
        """Set the timer that the kernel wants."""
        due = self.kernel.timer
        timer = self.timer
        if timer is not None:
            # An earlier timer stays and sets the later one when it fires: one timer suffices if each item postpones.
            if due is not None and timer.when <= due:
                return
            timer.cancel()
            self.timer = None
        if due is not None:
            self.timer = self.domain.driver.at(due, self.on_due, rank=int(self.rank))

    def on_due(self) -> None:
        """Fire the timer, or defer it while the node rests."""
        if self.must_wait():
            self.domain.deferred.append(self)
        else:
            self.fire()

    def must_wait(self) -> bool:
        return self.is_resting and not self.is_ended

    def fire(self) -> None:
        # The timer has fired; arm() must not mistake it for an earlier timer that is still set.
        self.timer = None
        if self.is_ended:
            return
        due = self.kernel.timer
        now = self.run.clock.now()
        if due is None or due > now:
            # The kernel has postponed its timer since this one was set; see arm().
            self.arm()
            return
        self.domain.received_at = -1  # its outputs are none of an item that was just received
        self.guard(self.call_timer, now)
        self.said_idle = False  # the outputs have ended the idleness
        self.look()
        self.stop_lingering()

    def end(self, error: Exception | None) -> None:
        self.input_ended(0, error)

    def take_mark(self, input: int, watermark: i64) -> None:
        if self.rests_inputs and self.pending:
            self.hold((INPUT_MARK, input, None, watermark, 0, None))
        else:
            super().take_mark(input, watermark)

    def input_ended(self, input: int, error: Exception | None) -> None:
        """Handle the end of an input, after its waiting items."""
        if self.rests_inputs and self.pending and error is None:
            self.hold((INPUT_END, input, None, 0, 0, None))
        else:
            self.end_input(input, error)

    def take_up(self, entry: Entry) -> None:
        if entry[0] == INPUT_MARK:
            super().take_mark(entry[1], entry[3])
        elif entry[0] == FIRING:
            self.go_on_firing(entry[3])
            self.look()
        elif entry[0] == MARKS:
            self.give_out((entry[3],))
            self.look()
        elif entry[0] == INPUT:
            self.came -= 1  # it was counted on arrival
            self.take(entry[1], entry[2], entry[3], entry[4], entry[5])
        else:
            self.end_input(entry[1], None)

    def end_input(self, input: int, error: Exception | None) -> None:
        """Note the end of an input; the node ends with the last of them."""
        if error is not None:
            error = self.uncaught(input, error)
        self.open_inputs -= 1
        if error is not None:
            self.input_error = error
        if self.is_ended:
            return
        if self.open_inputs == 0:
            self.inputs_ended(self.input_error)
        elif error is not None and (self.is_caught or self.has_want):
            # The run may continue without this node, and a refused input would keep its end in the gate.
            self.inputs_ended(error)
            self.domain.retire(self)
        elif self.inlets and error is None and self.marks.of[input] < FLUSHED:
            # An end that no FLUSHED or ENDED precedes comes from a drain.
            self.is_drained = True
            self.end_if_refused()

    def uncaught(self, input: int, error: Exception) -> Exception | None:
        """Return the error of an input, or that of a kernel that fails to catch it; None if the kernel continues."""
        kernel = self.fan_in
        if self.is_ended or kernel is None or input >= kernel.may_catch:
            return error
        is_caught = False
        try:
            is_caught = kernel.catches(input, error)
        except BaseException as failure:
            self.domain.interrupt_for(failure)
            error = node_error(self.name, failure)
        if not is_caught:
            if not self.is_caught:
                self.run.fail(error)
            return error
        # The input counts as ended from now on, so that it no longer holds back the watermark.
        self.take_mark(input, ENDED)
        self.look()
        return None

    def inputs_ended(self, error: Exception | None) -> None:
        """Handle the end of all inputs."""
        # stop_lingering() calls this again once the kernel has emitted the rest.
        if error is None and self.lingering != MIN:
            return
        if error is not None:
            self.discard()
        self.finish(error)

    def finish(self, error: Exception | None) -> None:
        """Send the end out, behind the resting outputs."""
        if self.is_ended:
            return
        if self.timer is not None:
            self.timer.cancel()
        # Before seal(), since the end may have to rest, and an ended node discards entries.
        self.give_end(error)
        self.seal()

    def stop_lingering(self) -> None:
        """End if the end only waited for the outputs that have now been sent."""
        if self.lingering == MIN or self.kernel.lingers or self.is_ended:
            return
        watermark, self.lingering = self.lingering, MIN
        self.give_mark(watermark)
        if self.open_inputs == 0:
            self.inputs_ended(None)

    def finish_early(self) -> None:
        """End before the inputs do."""
        if self.is_ended:
            return
        # Without this mark, nodes downstream would take the end for a drain and keep their state open.
        self.give_mark(ENDED)
        self.forget_state()
        self.finish(None)
        self.domain.retire(self)

    def retire(self) -> None:
        self.forget_state()
        self.leave()

    def forget_state(self) -> None:
        """Count the items that the kernel holds as discarded."""
        if not self.is_forgotten:
            # Only once: this is called on several paths, and the kernel still holds the counted items.
            self.is_forgotten = True
            self.discarded += self.held_inside()
        if self.timer is not None:
            self.timer.cancel()

    def discard(self) -> None:
        self.forget_state()
        self.clear()

    def held(self) -> int:
        return (0 if self.is_forgotten else self.held_inside()) + super().held()

    def held_inside(self) -> int:
        """Return the number of items that rest in the kernel."""
        try:
            return self.kernel.held()
        except BaseException as error:
            self.is_forgotten = True
            self.domain.interrupt_for(error)
            self.run.fail(node_error(self.name, error))
            return 0

    def unused(self) -> None:
        self.clear()
        super().unused()

    def leave(self) -> None:
        super().leave()
        for inlet in self.inlets:
            if not inlet.is_ended:
                inlet.is_ended = True
                inlet.set_shut(False)
                inlet.set_entry_shut(False)
                inlet.leave()

    def go_on(self) -> None:
        """Continue after a full gate, in nodes that hold items until it has space."""
