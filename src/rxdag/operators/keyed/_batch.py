"""Batch: items put together in lists, those of each key in lists of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from rxdag.contract import MAX, MIN, Duration, Emit, Operator, Shape, flag, positive_ns, whole
from rxdag.errors import GraphError, shown
from rxdag.operators._least_time import LeastTime
from rxdag.operators.keyed._by_key import ByKey, KeyedKernel, Lasting, ttl_ns
from rxdag.operators.keyed._expiring import Expiring, Kept

A = TypeVar("A")


class _List:
    """A list that is being filled.

    Attributes:
        items: The items so far.
        ts: Largest event time of the items.
        sequence: Sequence of the item with that time.
        first: Event time of the first item.
    """

    __slots__ = ("first", "items", "sequence", "ts")

    def __init__(self) -> None:
        self.items: list[Any] = []
        self.ts = MIN + 1
        self.sequence = 0
        self.first = 0

    def add(self, item: Any, ts: int, sequence: int) -> None:
        """Take in an item."""
        if not self.items:
            self.ts, self.sequence, self.first = ts, sequence, ts
        elif (ts, sequence) >= (self.ts, self.sequence):
            self.ts, self.sequence = ts, sequence
        self.items.append(item)

    def not_before(self, ts: int) -> None:
        """Raise the time to at least this one: an empty list has no time of its own and must not be late."""
        if self.ts < ts:
            self.ts, self.sequence = ts, 0


class _BatchKernel(KeyedKernel):
    """Holds a list for each key; with `max_wait`, also the time of the clock at which it is emitted.

    A list is emitted with an event time of at least its first one, so the watermark stays below that.
    """

    state = ("keys", "waits")
    derived = (*KeyedKernel.derived, "_firsts", "n")
    passes = False
    gives_at_end = True

    def __init__(
        self, max_items: int | None, wait: int | None, lasting: Lasting, *, emit_empty: bool, by_key: bool
    ) -> None:
        super().__init__(lasting)
        self._max_items = max_items
        self._wait = wait
        self._repeats = emit_empty and wait is not None
        self._starts_empty = self._repeats and not by_key
        self._waits = Expiring()
        self._firsts = LeastTime()
        self.n = 0

    def on_start(self, now: int, emit: Emit[Any]) -> None:
        # Without keys, empty lists are due from the start; a key is known only from its first item.
        if self._starts_empty:
            self.keys.keep(None, _List(), MAX)
            self._begin_wait(None, now)
            self.set_alarm()

    def on_item(self, item: Any, ts: int, sequence: int, key: Any, now: int, emit: Emit[Any]) -> None:
        at = now if self.by_clock else ts
        kept = self.found(key, at)
        filled: _List = _List() if kept is None else kept.value
        if not filled.items:
            self._firsts.add(ts)
        filled.add(item, ts, sequence)
        self.n += 1
        if kept is None:
            self.begin(key, filled, at, emit)
            self._begin_wait(key, now)
        else:
            self.keep(key, filled, at)
        if len(filled.items) == self._max_items:
            self._give_out(key, filled, now, emit)
        self.set_alarm()

    def _begin_wait(self, key: Any, now: int) -> None:
        if self._wait is not None:
            self._waits.drop(key)
            self._waits.keep(key, None, now + self._wait)

    def _give_out(self, key: Any, filled: _List, now: int, emit: Emit[Any]) -> None:
        """Emit the list of a key that continues."""
        items = self._emptied(filled)
        if self._repeats:
            self._begin_wait(key, now)
        else:
            self.keys.drop(key)
            self._waits.drop(key)
        # An empty list has no time of its own, and must not be late when it is emitted.
        if not items and self.watermark < MAX:
            filled.not_before(self.watermark + 1)
        self._send(key, filled, items, emit)

    def _emptied(self, filled: _List) -> list[Any]:
        items, filled.items = filled.items, []
        if items:
            self._firsts.remove(filled.first)
        self.n -= len(items)
        return items

    def _send(self, key: Any, filled: _List, items: list[Any], emit: Emit[Any]) -> None:
        emit.absorbed(len(items))
        emit(items, ts=filled.ts, sequence=filled.sequence, key=key)

    def on_timer(self, now: int, emit: Emit[Any]) -> None:
        for key, _ in self._waits.take_out(now):
            self._give_out(key, self.keys.values[key].value, now, emit)
        super().on_timer(now, emit)
        self.set_alarm()

    def end_key(self, key: Any, kept: Kept, emit: Emit[Any]) -> None:
        self._waits.drop(key)
        filled: _List = kept.value
        items = self._emptied(filled)
        if not items and self.ttl is not None and not self.by_clock:
            filled.not_before(kept.until - 1)
        elif not items and self.watermark < MAX:
            filled.not_before(self.watermark + 1)
        if items or self._repeats:
            self._send(key, filled, items, emit)

    def set_alarm(self) -> None:
        super().set_alarm()
        due = self._waits.due
        if self.by_clock and self.keys.due < due:
            due = self.keys.due
        self.timer = due if due < MAX else None

    def held(self) -> int:
        return self.n

    def low(self) -> int:
        return self._firsts.least

    def pack(self, value: Any) -> Any:
        return [list(value.items), value.ts, value.sequence, value.first]

    def unpack(self, saved: Any) -> Any:
        filled = _List()
        filled.items, filled.ts, filled.sequence, filled.first = list(saved[0]), saved[1], saved[2], saved[3]
        return filled

    def snapshot(self) -> dict[str, Any]:
        return {**super().snapshot(), "waits": [[key, until] for key, _, until in self._waits.rows()]}

    def restore(self, saved: dict[str, Any]) -> None:
        self._waits.load([[key, None, until] for key, until in saved["waits"]])
        self._firsts.clear()
        self.n = 0
        super().restore(saved)
        for kept in self.keys.values.values():
            filled: _List = kept.value
            self.n += len(filled.items)
            if filled.items:
                self._firsts.add(filled.first)


class _Steps:
    """The lists of a key that are open.

    Attributes:
        rows: Items of these lists, each once: [item, ts, sequence].
        n: Number of items since the first list began.
    """

    __slots__ = ("n", "rows")

    def __init__(self) -> None:
        self.rows: list[list[Any]] = []
        self.n = 0


class _SteppingKernel(KeyedKernel):
    """Lists of each key that begin a fixed number of items apart."""

    derived = (*KeyedKernel.derived, "_firsts", "n")
    passes = False
    gives_at_end = True

    def __init__(self, size: int, skip: int, lasting: Lasting) -> None:
        super().__init__(lasting)
        self._size = size
        self._skip = skip
        self._firsts = LeastTime()
        self.n = 0

    def on_item(self, item: Any, ts: int, sequence: int, key: Any, now: int, emit: Emit[Any]) -> None:
        at = now if self.by_clock else ts
        kept = self.found(key, at)
        steps: _Steps = _Steps() if kept is None else kept.value
        place = steps.n % self._skip
        steps.n += 1
        is_between = place >= self._size and self._skip > self._size
        if not is_between:
            if not steps.rows:
                self._firsts.add(ts)
            steps.rows.append([item, ts, sequence])
            self.n += 1
        if kept is None:
            self.begin(key, steps, at, emit)
        else:
            self.keep(key, steps, at)
        if is_between:
            return emit.dropped(item, "between lists")
        if steps.n >= self._size and (steps.n - self._size) % self._skip == 0:
            self._give_out(key, steps, emit)
        return None

    def _give_out(self, key: Any, steps: _Steps, emit: Emit[Any]) -> None:
        """Emit the oldest list, and release the items that are in no other."""
        rows = steps.rows[: self._size]
        n = self._skip if self._skip < len(rows) else len(rows)
        self._firsts.remove(steps.rows[0][1])
        del steps.rows[:n]
        if steps.rows:
            self._firsts.add(steps.rows[0][1])
        self.n -= n
        newest = rows[0]
        for row in rows:
            if (row[1], row[2]) > (newest[1], newest[2]):
                newest = row
        emit.absorbed(n)
        emit([row[0] for row in rows], ts=newest[1], sequence=newest[2], key=key)

    def end_key(self, key: Any, kept: Kept, emit: Emit[Any]) -> None:
        steps: _Steps = kept.value
        while steps.rows:
            self._give_out(key, steps, emit)

    def held(self) -> int:
        return self.n

    def low(self) -> int:
        return self._firsts.least

    def pack(self, value: Any) -> Any:
        return [[list(row) for row in value.rows], value.n]

    def unpack(self, saved: Any) -> Any:
        steps = _Steps()
        steps.rows, steps.n = [list(row) for row in saved[0]], saved[1]
        return steps

    def restore(self, saved: dict[str, Any]) -> None:
        self._firsts.clear()
        self.n = 0
        super().restore(saved)
        for kept in self.keys.values.values():
            steps: _Steps = kept.value
            self.n += len(steps.rows)
            if steps.rows:
                self._firsts.add(steps.rows[0][1])


@dataclass(frozen=True)
class _Batch(ByKey[A, "list[A]"], Generic[A]):
    max_items: int | None
    wait_ns: int | None
    emit_empty: bool
    skip: int | None
    label = "batch"
    keeps_order = False

    def check(self, shape: Shape, where: str) -> None:
        super().check(shape, where)
        if self.emit_empty and self.ttl_ns is not None and not shape.keyed:
            raise GraphError(f"{where}: ttl= with emit_empty=True needs a keyed stream; put ops.key_by(...) before it")

    def kernel(self) -> _BatchKernel | _SteppingKernel:
        if self.max_items is not None and self.skip is not None:
            return _SteppingKernel(self.max_items, self.skip, self.lasting)
        return _BatchKernel(self.max_items, self.wait_ns, self.lasting, emit_empty=self.emit_empty, by_key=self.by_key)


def batch(
    max_items: int | None = None,
    /,
    *,
    max_wait: Duration | None = None,
    emit_empty: bool = False,
    skip: int | None = None,
    ttl: Duration | None = None,
    clock: Literal["event", "processing"] | None = None,
) -> Operator[A, list[A]]:
    """Collect items into lists; on a keyed stream, one list per key.

    The downstream watermark stays below the open lists, so a key that goes quiet holds it back. Set `max_wait` or `ttl`
    to limit how long.

    Emits: a list when it has `max_items` items, or `max_wait` after its first item; with `ttl`, when its key has been
        silent for `ttl`; the rest when the source ends, in key order. A list has the largest event time of its items.
    Drops: nothing; every item is counted as `absorbed`. If `skip` is more than `max_items`, the items between two lists
        are dropped, reason "between lists".
    Holds: the items of one list, or of one list per key. With `skip` or `emit_empty` a key is remembered after its list
        has been emitted; with `ttl`, until the key has been silent for `ttl`.
    Ends: when the source ends, after the last list. Fails: if the source fails; waiting items are discarded.
    Clock: processing time, for `max_wait`. `ttl` uses event time if the stream has it, else processing time; `clock`
        overrides this.

    Args:
        max_items: Maximum number of items per list, 1 or more.
        max_wait: Longest time from the first item of a list until the list is emitted, more than 0. Required without
            `max_items`.
        emit_empty: True to emit empty lists too. `max_wait` then counts from the previous list, and on a keyed stream
            at first from the first item of the key.
        skip: Number of items from the start of one list to the start of the next, 1 or more. A value less than
            `max_items` gives overlapping lists, as RxPY's `buffer_with_count(n, skip)`. By default `max_items`. Not
            with `max_wait`.
        ttl: How long to keep a key after its last item, more than 0; by default until the source ends.
        clock: Clock for `ttl`: "event" or "processing".

    Raises:
        GraphError: If neither `max_items` nor `max_wait` is given, or an argument is invalid.

    Example:
        >>> feed(ops.batch(2), [1, 2, 3])
        [[1, 2], [3]]
    """
    if max_items is None and max_wait is None:
        raise GraphError(
            "batch: must be bounded by max_items or max_wait=, got neither; pass a size, such as ops.batch(100)"
        )
    if max_items is not None:
        whole(max_items, "batch: max_items", least=1)
    if skip is not None and (max_items is None or max_wait is not None):
        raise GraphError(f"batch: skip goes with max_items and without max_wait, got skip={shown(skip)}")
    if skip is not None:
        whole(skip, "batch: skip", least=1)
    wait = None if max_wait is None else positive_ns(max_wait, "batch: max_wait")
    flag(emit_empty, "batch: emit_empty")
    return _Batch(max_items, wait, emit_empty, skip, ttl_ns=ttl_ns(ttl, clock, "batch"), chosen_clock=clock)
