"""Batches: items put together in lists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from rxdag.contract import MIN, Duration, Emit, Kernel, Unkeyed, positive_ns
from rxdag.errors import GraphError, shown
from rxdag.operators._arguments import whole

A = TypeVar("A")


class _BatchKernel(Kernel):
    state = ("items", "timer", "ts", "sequence")
    passes = False

    def __init__(self, max_items: int | None, wait: int | None, *, emit_empty: bool) -> None:
        self._max_items = max_items
        self._wait = wait
        self._emit_empty = emit_empty
        self.items: list[Any] = []
        self.ts, self.sequence = MIN + 1, 0

    def on_start(self, now: int, emit: Emit[Any]) -> None:
        if self._emit_empty and self._wait is not None:
            self.timer = now + self._wait

    def on_item(self, item: Any, ts: int, sequence: int, key: Any, now: int, emit: Emit[Any]) -> None:
        if not self.items and self._wait is not None and not self._emit_empty:
            self.timer = now + self._wait
        self.items.append(item)
        if (ts, sequence) >= (self.ts, self.sequence):
            self.ts, self.sequence = ts, sequence
        if len(self.items) == self._max_items:
            self._give_out(now, emit)

    def _give_out(self, now: int, emit: Emit[Any]) -> None:
        items, self.items = self.items, []
        self.timer = now + self._wait if self._wait is not None and self._emit_empty else None
        emit.absorbed(len(items))
        emit(items, ts=self.ts, sequence=self.sequence, key=None)

    def on_timer(self, now: int, emit: Emit[Any]) -> None:
        self._give_out(now, emit)

    def on_end(self, emit: Emit[Any]) -> None:
        if self.items or (self._emit_empty and self._wait is not None):
            self._give_out(0, emit)
        self.timer = None

    def held(self) -> int:
        return len(self.items)

    def snapshot(self) -> dict[str, Any]:
        return {**super().snapshot(), "items": list(self.items)}


class _SteppingKernel(Kernel):
    """Rows [item, ts, sequence] of the lists that are open, and how many items have come since the first list began."""

    state = ("rows", "n")
    passes = False

    def __init__(self, size: int, skip: int) -> None:
        self._size = size
        self._skip = skip
        self.rows: list[list[Any]] = []
        self.n = 0

    def on_item(self, item: Any, ts: int, sequence: int, emit: Emit[Any]) -> None:
        at = self.n % self._skip
        self.n += 1
        if at >= self._size and self._skip > self._size:
            return emit.dropped(item, "between lists")
        self.rows.append([item, ts, sequence])
        if self.n >= self._size and (self.n - self._size) % self._skip == 0:
            self._give_out(self.rows[: self._size], emit)
            self._let_go(min(self._skip, self._size), emit)
        return None

    def _give_out(self, rows: list[list[Any]], emit: Emit[Any]) -> None:
        _, ts, sequence = max(rows, key=lambda row: row[1:])
        emit([row[0] for row in rows], ts=ts, sequence=sequence, key=None)

    def _let_go(self, n: int, emit: Emit[Any]) -> None:
        del self.rows[:n]
        emit.absorbed(n)

    def on_end(self, emit: Emit[Any]) -> None:
        while self.rows:
            self._give_out(self.rows, emit)
            self._let_go(min(self._skip, len(self.rows)), emit)

    def held(self) -> int:
        return len(self.rows)

    def snapshot(self) -> dict[str, Any]:
        return {"rows": [list(row) for row in self.rows], "n": self.n}


@dataclass(frozen=True)
class _Batch(Unkeyed[A, "list[A]"], Generic[A]):
    max_items: int | None
    wait_ns: int | None
    emit_empty: bool
    skip: int | None
    label = "batch"

    def kernel(self) -> _BatchKernel | _SteppingKernel:
        if self.max_items is not None and self.skip is not None:
            return _SteppingKernel(self.max_items, self.skip)
        return _BatchKernel(self.max_items, self.wait_ns, emit_empty=self.emit_empty)


def batch(
    max_items: int | None = None,
    /,
    *,
    max_wait: Duration | None = None,
    emit_empty: bool = False,
    skip: int | None = None,
) -> Unkeyed[A, list[A]]:
    """Put items together in lists.

    Emits: a list once it has `max_items` items, or `max_wait` after its first; the rest when the source ends. Its event time
        is the largest of its items.
    Drops: nothing; every item is counted as `absorbed`. With `skip` more than `max_items`, those between two lists, reason
        "between lists".
    Holds: the items of one list.
    Ends: when the source ends, after the last list. Fails: when the source fails; what waits is discarded.
    Clock: processing time, with `max_wait`.

    Args:
        max_items: Most items of a list, 1 or more.
        max_wait: Longest time from the first item of a list to its coming out, more than 0. Needed without `max_items`.
        skip: How many items are from the beginning of a list to that of the next, 1 or more: less than `max_items` for lists
            that overlap, as RxPY's `buffer_with_count(n, skip)`. By default `max_items`. Not with `max_wait`.
        emit_empty: True to give out empty lists too; `max_wait` then begins when the list before came out.

    Raises:
        GraphError: If neither bound is given, or one is not as above.

    Example:
        >>> feed(ops.batch(2), [1, 2, 3])
        [[1, 2], [3]]
    """
    if max_items is None and max_wait is None:
        raise GraphError("batch: must be bounded by max_items or max_wait=, got neither; say ops.batch(100)")
    if max_items is not None:
        whole(max_items, "batch: max_items", least=1)
    if skip is not None and (max_items is None or max_wait is not None):
        raise GraphError(f"batch: skip goes with max_items and without max_wait, got skip={shown(skip)}")
    if skip is not None:
        whole(skip, "batch: skip", least=1)
    wait = None if max_wait is None else positive_ns(max_wait, "batch: max_wait")
    return _Batch(max_items, wait, emit_empty, skip)
