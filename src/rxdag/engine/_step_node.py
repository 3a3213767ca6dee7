"""Nodes that finish one item before they take the next: explode and retry."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from mypy_extensions import i64

from rxdag.contract import MAX, BadItem, Kernel, on_item_parameters
from rxdag.engine._faults import node_error
from rxdag.engine._kernel_node import KernelNode
from rxdag.engine._point import INPUT, Entry

_TURN: Final = 1024


class StepNode(KernelNode):
    """Finishes one item before the next; items that arrive meanwhile rest in order.

    Outputs of an item go out while there is room, at most 1,024 in one turn, so that other nodes have theirs.
    """

    def bind(self) -> None:
        self.expands = type(self.kernel).expand is not Kernel.expand
        self.expand: Any = self.kernel.expand
        self.outputs: Iterator[Any] | None = None
        self.attempts: i64 = 0
        self.given: i64 = 0
        self.is_waiting = False
        self.due: i64 = 0
        """Time of the next attempt at the current item."""
        super().bind()
        self.rests_inputs = True

    def parameters(self) -> tuple[str, ...]:
        return () if self.expands else on_item_parameters(type(self.kernel))

    def take(self, input: int, item: Any, ts: i64, sequence: Any, key: Any) -> None:
        self.came += 1
        if self.is_ended:
            self.unread += 1
        elif self.blocked:
            self.hold((INPUT, input, item, ts, sequence, key))
        else:
            self.take_item(input, item, ts, sequence, key)

    def take_up(self, entry: Entry) -> None:
        if entry[0] == INPUT:
            self.take_item(entry[1], entry[2], entry[3], entry[4], entry[5])
        else:
            super().take_up(entry)

    def can_resume(self) -> bool:
        return not self.is_waiting and super().can_resume()

    def take_item(self, input: int, item: Any, ts: i64, sequence: Any, key: Any) -> None:
        """Process an item until it is done, or rests for lack of room or for a later attempt."""
        if self.is_ended:
            self.unread += 1
            return
        if self.tells_changed:
            self.heard.append(input)
        if self.marks.some_idle:
            self.give_out(self.marks.wake(input))
        free = self.obstacles()
        if self.fires_before:
            self.fire_before(ts)
            if self.is_ended:
                self.unread += 1
                return
            if self.blocked > free or self.kernel.is_paused:  # behind outputs that now rest for lack of room
                self.hold((INPUT, input, item, ts, sequence, key))
                return
        n = 0
        while True:
            if self.blocked > free or n >= _TURN or (n and self.domain.must_give_back()):
                self.hold_first((INPUT, input, item, ts, sequence, key))
                return
            n += 1
            emit = self.emit
            emit.input = input
            emit.item = item
            emit.ts = ts
            emit.sequence = sequence
            emit.key = key
            if self.has_now:
                emit.now = self.run.clock.now()
            emit.given = 0
            try:
                is_done = self.advance(item, ts, sequence, key)
            except BaseException as error:
                if self.close_failed():
                    self.given = 1
                wait = self.wait_ns(item, error)
                if wait < 0:
                    attempts, self.attempts = self.attempts, 0
                    self.given = 0
                    self.bury(item, self.blamed(item, error), int(attempts))
                    break
                self.retried += 1
                self.note_loss()
                if wait:
                    self.wait_for(wait)
                    self.hold_first((INPUT, input, item, ts, sequence, key))
                    return
                continue
            emit.given = -1
            if self.is_ended:
                self.outputs = None
                self.count_cut_off()
                return
            if is_done:
                self.attempts = 0
                self.given = 0
                break
        if self.watches:
            self.look()

    def advance(self, item: Any, ts: i64, sequence: Any, key: Any) -> bool:
        """Call the kernel, or send the next output of the item; True if the item is done."""
        if not self.expands:
            self.call(item, ts, sequence, key)
            return True
        if self.outputs is None:
            made = self.expand(item)
            self.outputs = iter(() if made is None else made)
            for _ in range(int(self.given)):  # after a restart: skips outputs emitted before it
                next(self.outputs, None)
        try:
            output = next(self.outputs)
        except StopIteration:
            self.outputs = None
            self.absorbed += 1
            return True
        self.given += 1
        self.emit(output)
        return False

    def count_cut_off(self) -> None:
        """Count an item in the middle of which the node has ended."""
        if self.expands:
            self.discarded += 1

    def wait_ns(self, item: Any, error: BaseException) -> int:
        """Return the time until the next attempt at the item, ns; -1 if there is none."""
        self.attempts += 1
        self.outputs = None
        # Emitted outputs cannot be taken back, so an item with outputs is not retried.
        if not isinstance(error, Exception) or self.given or isinstance(self.blamed(item, error), BadItem):
            return -1
        wait = self.policy.wait_ns(error, int(self.attempts), self.run.random)
        return -1 if wait is None else wait

    def wait_for(self, wait: int) -> None:
        """Continue with the current item after a wait, ns."""
        self.is_waiting = True
        self.due = self.run.clock.now() + wait
        self.wait_until_due()

    def wait_until_due(self) -> None:
        self.domain.driver.at(int(self.due), self.wait_is_over, rank=int(self.rank))

    def open(self) -> None:
        super().open()
        if self.is_waiting:  # it did before a restart
            self.wait_until_due()

    def wait_is_over(self) -> None:
        self.is_waiting = False

    def clear(self) -> None:
        super().clear()
        outputs, self.outputs = self.outputs, None
        if outputs is not None:
            self.close_outputs(outputs)

    def close_outputs(self, outputs: Any) -> None:
        """Close a generator that is not read to its end."""
        close = getattr(outputs, "close", None)
        if close is not None:
            try:
                close()
            except BaseException as error:
                if not getattr(outputs, "gi_running", False):  # a running generator ends with its frame
                    self.domain.interrupt_for(error)
                    self.run.fail(node_error(self.name, error))


class ReleaseNode(KernelNode):
    """Runs a kernel that takes any number of items, and releases held ones while there is room.

    If there is room, an item is released in the call that brings it, so the result does not depend on chunk sizes.
    """

    def bind(self) -> None:
        self.absorbs = True  # set early, since nodes behind may be shut before this one is open
        super().bind()

    def work(self, input: int, item: Any, ts: i64, sequence: Any, key: Any) -> None:
        super().work(input, item, ts, sequence, key)
        if not self.blocked:
            self.guard(self.call_release, 1)
            self.look()

    def call_release(self, value: i64) -> None:
        self.kernel.release(value, self.emit)

    def open(self) -> None:
        super().open()
        if self.is_restored and not self.blocked and not self.is_ended:
            self.domain.open_up(self)

    def on_open(self) -> None:
        self.domain.open_up(self)

    def go_on(self) -> None:
        n = 0
        while not self.blocked and not self.is_ended and self.kernel.held():
            self.guard(self.call_release, 1)
            n += 1
            if n >= _TURN:
                self.domain.opened.append(self)
                break
        if not self.is_ended:
            self.look()

    def gives_alone(self) -> bool:
        return True

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
