"""Windows that may emit a pane more than once, or merge: allowed lateness, early results, sessions."""

from __future__ import annotations

import heapq
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from typing import Any, ClassVar

from mypy_extensions import i64, mypyc_attr

from rxdag.contract import MAX, Aggregate, Assigner, Emit, Kernel, Pane
from rxdag.engine import KernelEmit, KernelNode
from rxdag.operators._heaps import LEAST, swept
from rxdag.operators._order import in_order
from rxdag.operators.windows._open_panes import OpenPane, found_in, in_time, start_of
from rxdag.operators.windows._panes import blamed


class _RevisedWindowNode(KernelNode):
    """Adds an item that meets one session, or none, on a fast path."""

    def bind(self) -> None:
        super().bind()
        kernel = self.kernel
        assert isinstance(kernel, RevisedWindowKernel)
        self.windows: RevisedWindowKernel = kernel

    def push(self, item: Any, ts: i64, sequence: Any, key: Any) -> None:
        self.came += 1
        if self.is_ended:
            self.unread += 1
            return
        if self.marks.some_idle:
            self.give_out(self.marks.wake(0))
        try:
            is_in = self.windows.add_to_one(item, ts, sequence, key)
        except BaseException as error:
            self.bury(item, self.blamed(item, error), 1)
            return
        if not is_in:
            self.work(0, item, ts, sequence, key)


@mypyc_attr(allow_interpreted_subclasses=True)
class RevisedWindowKernel(Kernel):
    """Holds open panes by key, and a heap of due times; outdated heap entries are skipped.

    Args:
        assigner: Assigns windows to an item.
        aggregate: The aggregate to compute.
        into: Function of the pane, whose result is emitted instead.
        lateness: How long panes are kept after their end, ns.
        early_items: Number of new items after which a pane is emitted early; 0 for none.
        early_ns: Multiple of event time at which a pane is emitted early, ns; 0 for none.
    """

    node: ClassVar[Any] = _RevisedWindowNode
    state = ("parts",)
    derived = ("wake", "_n_scheduled", "_due", "_sweep_at", "_left", "is_paused")
    passes = False
    pauses = True

    def __init__(
        self,
        assigner: Assigner,
        aggregate: Aggregate[Any, Any],
        into: Callable[[Any], Any] | None,
        lateness: int,
        early_items: int = 0,
        early_ns: int = 0,
    ) -> None:
        self._assigner = assigner
        self._early_items = early_items
        self._early_ns = early_ns
        self._aggregate = aggregate
        self._new = aggregate.factory()
        self._into = into
        self._lateness = lateness
        self._is_plain = (assigner.merges or assigner.is_endless) and not early_items and not early_ns
        """True if an item only extends one pane, unless it is late or joins two."""
        self.parts: dict[Any, list[OpenPane]] = {}
        """Panes of each key, by start."""
        self.wake = MAX
        self._reach = 0 if assigner.reach is None else assigner.reach
        self._n_scheduled = 0
        self._due: list[tuple[int, int, OpenPane]] = []
        self._sweep_at = LEAST
        self._left: list[tuple[int, OpenPane]] = []
        """Panes due at one time that are still to be emitted, with that time; the next one is last."""

    def in_columns(self) -> Kernel | str:
        if not self._assigner.is_endless or self._lateness or self._early_items or self._early_ns:
            return "its windows can merge, or fire again"
        arrays = self._aggregate.in_columns()
        if isinstance(arrays, str):
            return arrays
        from rxdag.operators.windows._global_columns import GlobalColumnsKernel  # it loads numpy

        return GlobalColumnsKernel(self._aggregate, arrays, self._into)

    def blame(self, item: Any, error: Exception) -> Exception:
        return blamed(self._aggregate, item, error)

    def on_item(self, item: Any, ts: int, sequence: int, key: Any, emit: Emit[Any]) -> None:
        windows = self._assigner.assign(ts)
        if not windows:
            return emit.unassigned(item)
        if self._assigner.merges:
            found = self._session(windows[0], key)
            live = [] if found is None else [found]
        else:
            live = [window for window in windows if in_time(window[1] - 1 + self._lateness) > self.watermark]
        if not live:
            return emit.late(item)
        undo = self._undo(live, key)
        try:
            outs = self._take_in_all(live, item, ts, sequence, key)
        except BaseException:
            if undo is not None:
                undo()
            raise
        for made, at in outs:
            emit(made, ts=at, sequence=0, key=key)
        return None

    def add_to_one(self, item: Any, ts: int, sequence: Any, key: Any) -> bool:
        """Add an item to the session of its key that it meets, or begin one; False if the general path is needed."""
        if not self._is_plain:
            return False
        start, end = ts, ts + self._reach
        if not self._reach:
            windows = self._assigner.assign(ts)
            if len(windows) != 1:
                return False
            start, end = windows[0]
        parts = self.parts.get(key)
        i = -1
        if parts:
            i += len(parts)
            # Usually the item belongs to the last session; only an item out of order needs a search.
            if parts[i].start > end:
                i = bisect_right(parts, end, key=start_of) - 1
            if i >= 0 and parts[i].end >= start:
                part = parts[i]
                if part.end - 1 <= self.watermark or not part.is_due:
                    return False  # the pane has to be emitted again
                if i and parts[i - 1].end >= start:
                    return self._joins(parts, i, (start, end), item, ts, sequence)
                part.accumulator.add_at(item, ts, sequence)
                part.take_in(start, end, ts)  # its heap entry is corrected when it reaches the top
                return True
        if end - 1 <= self.watermark:
            return False
        accumulator = self._new()
        accumulator.add_at(item, ts, sequence)
        part = OpenPane(key, start, end, accumulator)
        part.take_in(start, end, ts)
        if parts is None:
            self.parts[key] = [part]
        else:
            parts.insert(i + 1, part)
        self._schedule(part)
        return True

    def _joins(self, parts: list[OpenPane], i: int, window: tuple[int, int], item: Any, ts: int, sequence: Any) -> bool:
        """Join a session and the one before it by an item that meets both; False if the general path is needed."""
        part, before = parts[i], parts[i - 1]
        start, end = window
        if i > 1 and parts[i - 2].end >= start:
            return False
        if before.end - 1 <= self.watermark or not before.is_due or not self._aggregate.commutes:
            return False
        whole = self._new()  # so that a failure leaves both unchanged
        whole.merge(before.accumulator)
        whole.merge(part.accumulator)
        whole.add_at(item, ts, sequence)
        before.accumulator = whole
        before.take_over(part)
        before.take_in(start, end, ts)
        del parts[i]
        return True

    def _take_in_all(
        self, live: list[tuple[int, int]], item: Any, ts: int, sequence: int, key: Any
    ) -> list[tuple[Any, int]]:
        """Add an item to its windows; returns the outputs that it causes at once, with their times."""
        if len(live) > 1:  # any error is raised before the state changes
            self._new().add_at(item, ts, sequence)
            for part in self._open(live, key):
                part.accumulator.check(item)
        touched = [self._take_in(window, item, ts, sequence, key) for window in live]
        touched[-1].n += 1  # windows are in order of their ends; the last one holds the item
        outs: list[tuple[Any, int]] = []
        for part in touched:
            part.is_due = True
            part.fresh += 1
            part.most_ts = max(part.most_ts, ts)
            if part.closes_at <= self.watermark:
                outs.append(self._made(part, "watermark", part.closes_at))
            elif part.fresh == self._early_items:
                outs.append(self._made(part, "early", part.most_ts))
            elif self._early_ns:  # the next multiple after the item, as in Flink's trigger
                early_at = (ts // self._early_ns + 1) * self._early_ns - 1
                part.early_at = min(part.early_at, max(early_at, self.watermark + 1))
            self._schedule(part)
        return outs

    def _undo(self, live: list[tuple[int, int]], key: Any) -> Callable[[], None] | None:
        """Return a function that removes an item again if user code fails after it was added; None if none runs then.

        User code runs then if sessions merge, or if the item makes a pane come out.
        """
        if self._assigner.merges:
            met = self._touching(*live[0], key)
            fresh = {sum(part.fresh for part in met)}
        else:
            met = self._open(live, key)
            fresh = {0, *(part.fresh for part in met)}
        # Without early_items the left side is -1, which never matches.
        comes_out = self._early_items - 1 in fresh or any(min(end - 1, MAX) <= self.watermark for _, end in live)
        return self._taken_back(met, key) if comes_out or (self._assigner.merges and len(met) > 1) else None

    def _taken_back(self, met: list[OpenPane], key: Any) -> Callable[[], None]:
        """Return a function that restores the present panes of a key."""
        parts = list(self.parts.get(key, ()))
        saved = [(part, {name: getattr(part, name) for name in OpenPane.fields}) for part in met]
        states = [part.accumulator.snapshot() for part in met]

        def undo() -> None:
            self.parts[key] = parts
            if not parts:
                del self.parts[key]
            for (part, fields), state in zip(saved, states, strict=True):
                for name, value in fields.items():
                    setattr(part, name, value)
                part.accumulator = self._new()
                part.accumulator.restore(state)

        return undo

    def _touching(self, start: int, end: int, key: Any) -> list[OpenPane]:
        """Return the sessions of a key that meet a span, the earliest first."""
        parts = self.parts.get(key)
        if not parts:
            return []
        first = behind = bisect_right(parts, end, key=start_of)
        while first and parts[first - 1].end >= start:
            first -= 1
        return parts[first:behind]

    def _open(self, windows: list[tuple[int, int]], key: Any) -> list[OpenPane]:
        """Return the panes of a key that are there of some windows."""
        parts = self.parts.get(key)
        return [] if not parts else [part for start, end in windows for part in found_in(parts, start, end)]

    def _session(self, window: tuple[int, int], key: Any) -> tuple[int, int] | None:
        """Return the session that an item creates or extends; None if that session has closed."""
        start, end = window
        for part in self._touching(start, end, key):
            start, end = min(start, part.start), max(end, part.end)
        span = start, end
        return span if in_time(span[1] - 1 + self._lateness) > self.watermark else None

    def _take_in(self, window: tuple[int, int], item: Any, ts: int, sequence: int, key: Any) -> OpenPane:
        start, end = window
        met = self._touching(start, end, key) if self._assigner.merges else self._open([window], key)
        if not met:
            accumulator = self._new()
            accumulator.add_at(item, ts, sequence)
            part = OpenPane(key, start, end, accumulator)
            parts = self.parts.setdefault(key, [])
            parts.insert(bisect_right(parts, start, key=start_of), part)
            return part
        part = met[0]
        if len(met) > 1:
            self._new().add_at(item, ts, sequence)  # as above
            self._unite(part, met[1:])
        part.accumulator.add_at(item, ts, sequence)
        part.start, part.end = start, end
        return part

    def _unite(self, part: OpenPane, others: list[OpenPane]) -> None:
        """Make one session of several."""
        for other in others:
            part.accumulator.merge(other.accumulator)
            part.take_over(other)
            self.parts[part.key].remove(other)

    def _schedule(self, part: OpenPane) -> None:
        """Put a pane into the heap at the time when something is to be done with it next."""
        when = part.closes_at
        if not part.is_due:
            when = in_time(when + self._lateness)
        elif part.early_at < when:
            when = part.early_at
        if not part.is_at(when):
            part.is_set = True
            part.when = when
            self._n_scheduled += 1  # the order at one time
            heapq.heappush(self._due, (when, self._n_scheduled, part))
            if len(self._due) > self._sweep_at:
                self._sweep_at = swept(self._due, lambda row: row[2].is_at(row[0]))
        self.wake = self._due[0][0]

    def on_watermark(self, watermark: int, emit: Emit[Any]) -> None:
        due = self._due
        while not self.is_paused and (self._left or (due and due[0][0] <= watermark)):
            if not self._left:
                self._left = self._next_due()
            self._fire("watermark", emit)
            if due and due[0][0] <= watermark and emit.must_pause():
                self.is_paused = True
        self.wake = self._due[0][0] if self._due else MAX

    def _next_due(self) -> list[tuple[int, OpenPane]]:
        """Return the panes due at the earliest due time, the first pane last."""
        time = self._due[0][0]
        due: list[OpenPane] = []
        while self._due and self._due[0][0] == time:
            when, _, part = heapq.heappop(self._due)
            if not part.is_at(when):
                continue
            part.is_set = False
            if part.is_due and part.closes_at > when and part.early_at > when:  # a session that was extended
                self._schedule(part)
            else:
                due.append(part)
        return [(time, due[0])] if len(due) == 1 else self._in_turn([(time, part) for part in due])

    def _in_turn(self, due: list[tuple[int, OpenPane]]) -> list[tuple[int, OpenPane]]:
        """Return the due panes by time, window and key, the first one last."""
        panes: dict[tuple[int, int, int], dict[Any, OpenPane]] = {}
        for when, part in due:
            panes.setdefault((when, part.end, part.start), {})[part.key] = part
        return [(which[0], panes[which][key]) for which in sorted(panes) for key in in_order(panes[which])][::-1]

    def on_end(self, emit: Emit[Any]) -> None:
        if not self._left:
            self._left = self._in_turn([(part.closes_at, part) for parts in self.parts.values() for part in parts])
            self._due, self.wake = [], MAX
        self._fire("end", emit)

    def _fire(self, closed_by: Any, emit: Emit[Any]) -> None:
        """Emit the panes that are ready; it may pause."""
        left = self._left
        while left and not self.is_paused:
            when, part = left.pop()
            if part.is_due:
                self._give_out(part, closed_by if when >= min(part.end - 1, MAX) else "early", when, emit)
            if closed_by == "end" or when >= in_time(part.closes_at + self._lateness):
                self._purge(part, emit)
            else:
                self._schedule(part)
            self.is_paused = len(left) > 0 and emit.must_pause()

    def _give_out(self, part: OpenPane, closed_by: Any, when: int, emit: Emit[Any]) -> None:
        made, at = self._made(part, closed_by, when)
        if isinstance(emit, KernelEmit):
            emit.make(made, at, part.key)
        else:
            emit(made, ts=at, sequence=0, key=part.key)
        n, part.n = part.n, 0  # emitted items are no longer held, even if the pane is emitted again
        emit.absorbed(n)

    def _made(self, part: OpenPane, closed_by: Any, when: int) -> tuple[Any, int]:
        """Return the present output of a pane, and its event time."""
        start, end = part.start, part.end
        pane: Any = Pane(part.key, start, end, part.last + 1, part.accumulator.result_in(start, end), closed_by)
        made = pane if self._into is None else self._into(pane)
        part.last += 1
        part.fresh, part.early_at = 0, MAX
        part.is_due = closed_by == "early"
        # A window without an end has the time of its items.
        return made, part.end - 1 if part.end < MAX else part.most_ts if when >= MAX - 1 else when

    def _purge(self, part: OpenPane, emit: Emit[Any]) -> None:
        if part.is_gone:
            return
        part.is_gone = True
        parts = self.parts[part.key]
        if len(parts) == 1:
            del self.parts[part.key]
        else:
            del parts[parts.index(part, bisect_left(parts, part.start, key=start_of))]
        if part.n:
            emit.absorbed(part.n)

    def held(self) -> int:
        return sum(part.n for parts in self.parts.values() for part in parts)

    def snapshot(self) -> dict[str, Any]:
        return {"parts": [part.saved() for parts in self.parts.values() for part in parts]}

    def restore(self, saved: dict[str, Any]) -> None:
        self.parts, self._due, self._left = {}, [], []
        for row in saved["parts"]:
            part = OpenPane.restored(row, self._new())
            self.parts.setdefault(part.key, []).append(part)
            self._schedule(part)
