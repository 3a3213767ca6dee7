"""Nodes with a columns kernel: it receives and emits runs of items."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mypy_extensions import i64

from rxdag.contract import Kernel, OnError, RowFailed
from rxdag.engine._columns_emit import ColumnsExits
from rxdag.engine._context import RunContext
from rxdag.engine._faults import node_error
from rxdag.engine._kernel_node import KernelNode
from rxdag.engine._meeting import Meeting
from rxdag.engine._node import Exit
from rxdag.engine._point import INPUT_COLUMNS, Entry


class ColumnsNode(KernelNode):
    """Runs a kernel of columns.

    The watermark before each item is a column of its own, so a run is not cut at watermarks. The watermark that the
    last items raise follows the run.

    Args:
        name: Of the node.
        run: The run.
        policy: Error policy for items on which user code fails.
        make: Makes the kernel.
        inputs: How many inputs it has.
    """

    def __init__(
        self,
        name: str,
        run: RunContext,
        policy: OnError,
        make: Callable[[], Kernel],
        inputs: int,
    ) -> None:
        self.meeting: Meeting | None = None
        """The meeting of the route whose branch the node is on."""
        self.meetings: dict[int, Meeting] = {}
        """Meetings of the branches of a route that meet here, by input."""
        self.is_failing = False
        """True if it has failed on a branch of a route; it ends once the parts of the run have met."""
        self.has_lanes = False
        """True for a route whose branches meet nowhere: each rests alone."""
        self.is_passing = False
        """True while such a route passes a run on: a resting branch does not hold up the others."""
        self.place = 0
        """Position of the current item in the run that was split."""
        super().__init__(name, run, policy, make, "event", inputs)

    def bind(self) -> None:
        self.columns_exits = ColumnsExits(self)
        super().bind()
        self.outlet: Any = self.columns_exits if self.kernel.gives_columns else self.emit

    def parameters(self) -> tuple[str, ...]:
        return ()

    def push_columns(self, columns: Any) -> None:
        self.take_columns(0, columns)

    def take_columns(self, input: int, columns: Any) -> None:
        n = len(columns)
        meeting = self.meetings.get(input)
        if meeting is not None and meeting.is_open:
            self.came += n
            meeting.parts.append(columns)
            return
        self.came += n
        if self.is_ended:
            self.unread += n
        elif self.is_failing:
            self.discarded += n
        else:
            self.accept(input, columns, frozenset((input,)))

    def take_met(self, input: int, columns: Any, inputs: frozenset[int]) -> None:
        """Take a run that was split; its parts are counted as they come."""
        if self.is_ended:
            self.unread += len(columns)
        else:
            self.accept(input, columns, inputs)

    def accept(self, input: int, columns: Any, inputs: frozenset[int]) -> None:
        """Work on a run that came by one input, or by several on which the watermark is the same."""
        if self.tells_changed:
            self.heard += inputs
        if self.marks.some_idle:
            for each in sorted(inputs):
                self.give_out(self.marks.wake(each))
        if self.n_inputs > 1 and columns.before is not None:
            # `before` is the watermark of this input; the kernel needs the combined one of all inputs.
            columns = columns.bounded(*self.marks.bounds(inputs))
        self.is_passing = self.has_lanes and self.blocked == self.obstacles()
        self.work_columns(input, columns)
        self.is_passing = False
        if self.watches:
            self.look()

    def give_columns(self, exit_: Exit, columns: Any) -> None:
        if self.is_passing and len(columns):
            exit_.n += len(columns)
            exit_.out.push_columns(columns)
        else:
            super().give_columns(exit_, columns)

    def work_columns(self, input: int, columns: Any) -> bool:
        """Call the kernel; an item that fails is handled, and the run continues after it. Return True if one has failed.

        After a failed item it works on one item, then on two, four and so on, since the next one may fail too.
        """
        most, has_failed = len(columns), False
        while len(columns) and not self.put_off(input, columns):
            part = columns if most >= len(columns) else columns[:most]
            failures = self.failed
            failed = self.call_columns(input, part)
            if failed is None:
                if part is columns:  # the common case
                    return has_failed
                columns = columns[len(part) :]
                most *= 2
                if self.is_ended:
                    if self.failed == failures:  # otherwise all items are counted already
                        self.unread += len(columns)
                    return has_failed
                continue
            most = 1
            index = failed.index
            # The kernel has processed nothing of the part, so the items before the failed one are passed again.
            is_alone = not index or not self.work_columns(input, columns[:index])
            has_failed = True
            if self.is_ended:
                self.discarded += len(columns) - index
                return True
            if not is_alone:
                # It may have failed only because of an item before it that has now been left out.
                columns = columns[index:]
                continue
            self.raise_to(input, columns, index)
            if self.is_ended:
                self.discarded += len(columns) - index
                return True
            self.note_place(columns, index)
            item = columns.row(index)
            self.bury(item, self.blamed(item, failed.cause), 1)
            if self.is_ended or self.is_failing:
                self.discarded += len(columns) - index - 1
                return True
            columns = columns[index + 1 :]
        return has_failed

    def put_off(self, input: int, columns: Any) -> bool:
        """Keep a run that cannot be worked on now; of nodes that keep inputs."""
        return False

    def note_place(self, columns: Any, index: int) -> None:
        """Note the current item of a split run."""
        if columns.index is not None:
            self.place = int(columns.index[index])

    def raise_to(self, input: int, columns: Any, index: int) -> None:
        """Take the watermark before an item; not on a way of a route, where it would overtake other ways."""
        before = columns.before
        if before is not None and not self.makes_time and self.meeting is None:
            self.take_mark(input, int(before[index]))

    def call_columns(self, input: int, columns: Any) -> RowFailed | None:
        """Call the kernel with a run; returns the first item on which it fails, nothing of the run is done then."""
        exits = self.columns_exits
        exits.is_open = True
        try:
            if self.n_inputs > 1:
                self.joining().on_columns_from(input, columns, exits)
            else:
                self.kernel.on_columns(columns, exits)
        except RowFailed as failed:
            return failed
        except BaseException as error:  # a fault of the kernel itself
            exits.is_open = False
            self.failed += 1
            self.domain.interrupt_for(error)
            self.note_place(columns, 0)
            self.fail(node_error(self.name, error, columns.row(0)))
            self.settle_books()
        finally:
            exits.is_open = False
        return None

    def settle_books(self) -> None:
        """Count inputs that have left by no exit as discarded; if one too many has left, its output was made."""
        ledger = self.ledger()
        left = ledger.arrived + ledger.restored - ledger.passed - ledger.spent_otherwise
        if left >= 0:
            self.discarded += left
        else:
            self.passed += left
            self.made -= left

    def fail(self, error: Exception) -> None:
        meeting = self.meeting
        if meeting is not None and meeting.is_open:
            self.is_failing = True
            meeting.failed.append((self.place, self, error))
        else:
            super().fail(error)

    def guard(self, fn: Callable[[i64], None], value: i64) -> None:
        self.columns_exits.is_open = True
        super().guard(fn, value)
        self.columns_exits.is_open = False

    def call_start(self, value: i64) -> None:
        self.kernel.on_start(self.run.clock.now(), self.outlet)

    def call_watermark(self, value: i64) -> None:
        self.kernel.is_paused = False
        self.kernel.on_watermark(value, self.outlet)

    def call_timer(self, value: i64) -> None:
        self.kernel.on_timer(value, self.outlet)

    def call_end(self, value: i64) -> None:
        self.kernel.is_paused = False
        self.kernel.on_end(self.outlet)

    def call_input_end(self, value: i64) -> None:
        self.joining().on_input_end(value, self.outlet)


class SplitNode(ColumnsNode):
    """Runs a route whose ways meet again: it rests only between runs that came in, never within one."""

    met_at: Meeting

    def bind(self) -> None:
        super().bind()
        self.rests_inputs = True

    def take_columns(self, input: int, columns: Any) -> None:
        if self.blocked and not self.is_ended:
            self.came += len(columns)
            self.hold((INPUT_COLUMNS, input, columns, 0, 0, None))
        else:
            super().take_columns(input, columns)

    def take_up(self, entry: Entry) -> None:
        if entry[0] == INPUT_COLUMNS:
            self.accept(entry[1], entry[2], frozenset((entry[1],)))
        else:
            super().take_up(entry)

    def put_off(self, input: int, columns: Any) -> bool:
        if self.blocked <= self.free:
            return False
        self.hold((INPUT_COLUMNS, input, columns, 0, 0, None))
        return True

    def call_columns(self, input: int, columns: Any) -> RowFailed | None:
        self.met_at.begin()
        failed = super().call_columns(input, columns.placed())
        self.met_at.finish()
        return failed
