"""A node of a driven graph that works on columns: it converts its inputs to columns, and its outputs to items."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from rxdag.contract import FLUSHED, IDLE, Clock, Kernel, OnError, RowFailed, Splitter
from rxdag.testing._check_exits import ColumnsExits
from rxdag.testing._check_node import DrivenNode, Entry
from rxdag.testing._sources import columns_of

if TYPE_CHECKING:
    from rxdag.columns import Columns


class ColumnsNode(DrivenNode):
    """Calls a columns kernel with the runs of items that wait for it.

    Args:
        name: Of the node.
        kernel: Its state machine.
        policy: Error policy for items on which user code fails.
        n: Number of inputs.
        clock: Clock of the run.
        item_types: Type of the items of each input, None where it is not known.
        most: Length of the longest run.
        is_last: True if no later node depends on watermarks.
        timed: True if the items have event times.
        keyed: True if they have keys.
    """

    def __init__(
        self,
        name: str,
        kernel: Kernel,
        policy: OnError,
        n: int,
        clock: Clock,
        *,
        item_types: list[Any],
        most: int,
        is_last: bool,
        timed: bool,
        keyed: bool,
    ) -> None:
        super().__init__(name, kernel, policy, n, clock, by_clock=False)
        self._item_types = item_types
        self._most = 1 if isinstance(kernel, Splitter) else most
        self._is_last = is_last
        self._timed = timed
        self._keyed = keyed
        self._columns = ColumnsExits(self.exits, passes=kernel.passes, makes_time=kernel.makes_time)
        if kernel.gives_columns:
            self.out = self._columns

    def step(self) -> bool:
        at = self.next_entry()
        if at is None:
            return False
        if self.inbox[at][1] != "item":
            self.take_in(self.inbox.pop(at))
            return True
        self._look_before()
        run, marks = self._run(at)
        self.n_in += len(run)
        self.wake(run[0][0])
        self._take(run[0][0], run, marks)
        self.settle()
        for mark in marks[-1:]:
            self.take_in([run[0][0], "mark", mark])
        self._look_after(None)
        return True

    def _run(self, at: int) -> tuple[list[Entry], list[int]]:
        """Take out a run of items, and the marks between and behind them that need not cut it."""
        input = self.inbox[at][0]
        run: list[Entry] = []
        marks: list[int] = []
        watermark = self.kernel.watermark
        while at < len(self.inbox) and self.inbox[at][0] == input and len(run) < self._most:
            entry = self.inbox[at]
            if entry[1] == "fail" or (entry[1] == "mark" and not self._is_passed_over(entry[2])):
                break
            if entry[1] == "mark":
                watermark = entry[2]
                marks.append(watermark)
            else:
                run.append([*entry, watermark])
            del self.inbox[at]
        return run, marks

    def _is_passed_over(self, mark: int) -> bool:
        """Return True if a watermark makes no difference to the items after it in one run."""
        return self._is_last and len(self.marks.of) == 1 and mark != IDLE and mark < FLUSHED

    def _take(self, input: int, run: list[Entry], marks: list[int]) -> None:
        from rxdag.columns import code_values, ints_of  # they load numpy

        _, _, items, ts, sequence, key, before = map(list, zip(*run, strict=True))
        columns = columns_of(items, self._item_types[input])
        if self._timed:
            columns = columns.timed(ints_of(ts), ints_of(sequence)).marked(ints_of(before))
        if self._keyed:
            columns = columns.keyed(code_values(key))
        if self.fan_in is not None:
            self.guard(partial(self.fan_in.on_columns_from, input, columns, self._columns))
        else:
            self._feed(columns)

    def _feed(self, columns: Columns) -> None:
        """Feed a run to the kernel; a failed item is handled, and the run continues after it."""
        while columns.n and not self.is_ended:
            try:
                self.kernel.on_columns(columns, self._columns)
                return
            except RowFailed as failed:
                self._feed(columns[: failed.index])
                item = columns.row(failed.index)
                self.bury(item, self.kernel.blame(item, failed.cause))
                columns = columns[failed.index + 1 :]
            except Exception as error:
                self.fail(error)
        self.exits.counts["discarded"] += columns.n
