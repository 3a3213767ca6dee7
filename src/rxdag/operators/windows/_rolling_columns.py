"""Rolling windows over columns: the window of each item is a stretch of the rows of its key, and each stretch a pane."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rxdag.columns import Columns, Spans, each_rolled, in_order, joined
from rxdag.contract import MAX, Aggregate, ColumnsAggregate, ColumnsEmit, Emit, Kernel, RowFailed
from rxdag.operators.rate._runs import Runs, columns_of, emit_late, in_time, in_whole, saved_rows, split_late, times
from rxdag.operators.windows._live import can_order
from rxdag.operators.windows._panes import blamed

_MOST_BITS: Final = 62


class _RollingColumns(Kernel):
    """Common part of both kernels.

    Args:
        aggregate: The definition, for messages.
        arrays: The same over columns.
        into: Function of the item and the result, whose result is emitted instead.
    """

    gives_columns = False

    def __init__(
        self, aggregate: Aggregate[Any, Any], arrays: ColumnsAggregate, into: Callable[[Any, Any], Any] | None
    ) -> None:
        self._aggregate = aggregate
        self._new = aggregate.factory()
        self._arrays = arrays
        self._into = into
        self.past: Columns | None = None
        """Rows that later windows may need, sorted."""

    def on_item(self, item: Any, emit: Emit[Any]) -> None:
        raise TypeError("rolling: must get columns here")

    def blame(self, item: Any, error: Exception) -> Exception:
        return blamed(self._aggregate, item, error)

    def _check(self, columns: Columns) -> None:
        """Raise the error of an item that no pane takes in, before the state changes.

        Raises:
            RowFailed: At the first such item.
        """
        if self._arrays.can_add(self._arrays.read(columns)) and can_order(columns):
            return
        for index, (item, ts, sequence, _) in enumerate(zip(columns.rows(), *columns.beside_rows(), strict=True)):
            try:
                self._new().add_at(item, ts, sequence)
            except Exception as error:
                raise RowFailed(index, error) from error

    def _with_past(self, columns: Columns) -> tuple[Columns, int]:
        """Return the earlier rows followed by these, and the number of earlier ones."""
        return (columns, 0) if self.past is None else (joined([self.past, columns]), self.past.n)

    def _results(
        self, rows: Columns, low: NDArray[np.intp], border: NDArray[np.intp], high: NDArray[np.intp]
    ) -> list[Any]:
        """Return the result of each range of rows from `low` up to, not including, `high`; None for an empty range."""
        out: list[Any] = [None] * len(low)
        full = np.flatnonzero(low < high)
        ts = np.zeros(rows.n, np.int64) if rows.ts is None else rows.ts
        spans = Spans(low[full], border[full], high[full], ts, rows.sequence)
        values = self._arrays.read(rows)
        if self._arrays.can_add(values) and can_order(rows):
            results = self._arrays.rolled(values, spans)
        else:
            results = each_rolled(self._new, rows.rows(), spans)
        for pane, result in zip(full.tolist(), results, strict=True):
            out[pane] = result
        return out


class RollingItemsColumnsKernel(_RollingColumns):
    """The last items of each key.

    Args:
        size: Number of items in a window.
        aggregate: The definition, for messages.
        arrays: The same over columns.
    """

    state = ("keys",)
    derived = ("past", "newer", "_arrays")

    def __init__(self, size: int, aggregate: Aggregate[Any, Any], arrays: ColumnsAggregate) -> None:
        super().__init__(aggregate, arrays, None)
        self._size = size
        self.newer: dict[Any, int] = {}
        """Number of items in the newer part of each key's window."""

    def on_columns(self, columns: Columns, emit: ColumnsEmit) -> None:
        self._check(columns)
        whole, before = self._with_past(columns)
        codes = _codes(whole)
        by_key = in_order(codes)
        keys = codes[by_key]
        starts = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1])))
        sizes = np.diff(np.append(starts, whole.n))
        place, first = np.arange(whole.n), np.repeat(starts, sizes)
        is_new = by_key >= before
        # Borders are every `size` items of a key; the next one depends on how many items came since the last.
        n_old = sizes - np.add.reduceat(is_new, starts, dtype=np.intp)
        names = [None] * len(starts) if whole.key is None else whole.take(by_key[starts]).keys() or []
        newer = np.array([self.newer.get(name, 0) for name in names], np.intp)
        since = (place - first - np.repeat(n_old - newer, sizes)) % self._size
        asked = np.flatnonzero(is_new)
        low = np.maximum(first[asked], asked - self._size + 1)
        order = np.argsort(by_key[asked])  # of arrival
        panes = np.stack((low, asked - since[asked], asked + 1))
        values = self._results_or_failed(whole.take(by_key), panes, order)
        emit.rows([values[i] for i in order.tolist()], columns)
        ends = starts + sizes
        for name, n in zip(names, (since[ends - 1] + 1).tolist(), strict=True):
            self.newer[name] = n
        kept = np.sort(by_key[np.repeat(ends, sizes) - place <= self._size])
        self.past = whole.take(kept).marked(None)

    def _results_or_failed(self, rows: Columns, panes: NDArray[np.intp], order: NDArray[np.intp]) -> list[Any]:
        """Return the results of the windows of new items.

        Args:
            rows: The items by key.
            panes: shape (3, items): first row, border and end of each window, ascending.
            order: shape (items,): the windows in order of arrival of their items.

        Raises:
            RowFailed: At the first item whose window has no result, such as the sum of a float and a Decimal.
        """
        try:
            return self._results(rows, *panes)
        except Exception as error:
            failed = first_failing(len(order), lambda n: self._results(rows, *panes[:, np.sort(order[:n])]), error)
            raise failed from failed.cause

    def snapshot(self) -> dict[str, Any]:
        keys: dict[Any, list[list[Any]]] = {}
        for item, ts, sequence, key in saved_rows(self.past):
            keys.setdefault(key, []).append([ts, sequence, item])
        return {"keys": [[key, [rows, len(rows) - self.newer[key]], MAX] for key, rows in keys.items()]}

    def restore(self, saved: dict[str, Any]) -> None:
        self.newer = {key: len(rows) - n_older for key, (rows, n_older), _ in saved["keys"]}
        self.past = columns_of(
            [[item, ts, sequence, key] for key, (rows, _), _ in saved["keys"] for ts, sequence, item in rows]
        )


class RollingTimeColumnsKernel(_RollingColumns):
    """Items by event time, once the watermark has passed them.

    Args:
        period: Of the windows, ns.
        has_start: True if a window includes items at its start.
        has_end: True if it includes items at its end, the instant itself.
        aggregate: The definition, for messages.
        arrays: The same over columns.
        into: Function of the item and the result, whose result is emitted instead.
    """

    state = ("waiting", "past")
    derived = ("runs", "wake", "_arrays", "is_paused", "_left", "_made", "_upto", "_whole")
    pauses = True

    def __init__(
        self,
        period: int,
        aggregate: Aggregate[Any, Any],
        arrays: ColumnsAggregate,
        into: Callable[[Any, Any], Any] | None,
        *,
        has_start: bool,
        has_end: bool,
    ) -> None:
        super().__init__(aggregate, arrays, into)
        self._period = period
        self._has_start = has_start
        self._has_end = has_end
        self.runs = Runs()
        self.wake = MAX
        self._left: list[tuple[list[Any], Any]] = []
        """Rows that the watermark has passed, with their results, that are still to be emitted; the next one last."""
        self._made: list[Any] = []
        """Results computed so far for the current instant; emitted once they are complete."""
        self._upto = 0
        """Watermark up to which rows were taken up."""
        self._whole: Columns | None = None
        """Rows that the watermark has passed, after the earlier rows that their windows need."""

    def on_columns(self, columns: Columns, emit: ColumnsEmit) -> None:
        live, at = split_late(columns, self.watermark)
        with in_whole(at):
            self._check(live)
        emit_late(columns, at, emit)
        self.runs.add(live)
        self.wake = self.runs.wake

    def on_watermark(self, watermark: int, emit: Emit[Any]) -> None:
        while self._left or self._take_up(watermark):
            try:
                self._give_out(emit)
            finally:
                self.wake = self._left[-1][0][1] if self._left else self.runs.wake
            if self._left:
                return
            self.past = self._needed(self._upto)

    def _take_up(self, watermark: int) -> bool:
        """Compute the results of items that the watermark has passed; False if there are none."""
        ready = self.runs.take_up_to(watermark)
        if ready is None:
            self.wake = self.runs.wake
            return False
        ready = ready.take(in_time(ready))
        self._upto = watermark
        try:
            values = self._rolled(ready, ready.n)
        except Exception as error:
            ready = self._before_failing(ready, error)
            values = self._rolled(ready, ready.n)
        except BaseException:
            self.runs.add(ready)
            raise
        self._left = [*zip(saved_rows(ready), values, strict=True)][::-1]
        self._whole, _ = self._with_past(ready)
        return True

    def _before_failing(self, ready: Columns, error: Exception) -> Columns:
        """Return the rows before the first instant that fails; as in the row kernel, it and later rows stay held.

        Raises:
            Exception: The error of that instant, if there are no rows before it.
        """
        failed = first_failing(ready.n, lambda n: self._rolled(ready, n), error)
        instants = times(ready)
        first = int(instants[failed.index])
        n = int(np.searchsorted(instants, first))
        self.runs.add(ready[n:])
        self._upto = first - 1
        if not n:
            raise failed.cause
        return ready[:n]

    def _give_out(self, emit: Emit[Any]) -> None:
        """Emit the results of `into`, for each instant all or none; it may pause between two calls."""
        left, made = self._left, self._made
        n = 0
        while left:
            at = len(left) - 1 - len(made)
            if at >= 0 and left[at][0][1] == left[-1][0][1]:
                if n and emit.must_give_back():
                    self.is_paused = True
                    return
                n += 1
                (item, *_), value = left[at]
                made.append(value if self._into is None else self._into(item, value))
                continue
            for out in made:
                (_, ts, sequence, key), _ = left.pop()
                emit(out, ts=ts, sequence=sequence, key=key)
            made.clear()

    def _needed(self, watermark: int) -> Columns | None:
        """Return the items, emitted up to a time, that later windows still need."""
        whole = self._whole
        least = max(watermark + 1 - self._period, -(1 << 63))
        if whole is None or least >= MAX - self._period:
            return None
        at = times(whole)
        still = whole.where((at >= least) & (at <= watermark))
        return still if still.n else None

    def _rolled(self, ready: Columns, n: int) -> list[Any]:
        """Return the results of the first `n` rows; their windows reach into earlier rows."""
        whole, before = self._with_past(ready)
        codes, ts = _codes(whole), times(whole)
        by_key = in_order(codes)
        keys, instants = codes[by_key], ts[by_key]
        asked = np.flatnonzero((by_key >= before) & (by_key < before + n))
        is_new = np.ones(len(asked), np.bool_)
        is_new[1:] = (keys[asked[1:]] != keys[asked[:-1]]) | (instants[asked[1:]] != instants[asked[:-1]])
        panes = asked[is_new]
        start = 0 if self._has_start else 1
        low = _found(keys, instants, panes, start - self._period, "left")
        high = _found(keys, instants, panes, 0, "right" if self._has_end else "left")
        border = _found(keys, instants, panes, -(instants[panes] % self._period), "left")
        results = self._results(whole.take(by_key), low, border, high)
        out: list[Any] = [None] * n
        for row, pane in zip((by_key[asked] - before).tolist(), (np.cumsum(is_new) - 1).tolist(), strict=True):
            out[row] = results[pane]
        return out

    def on_end(self, emit: Emit[Any]) -> None:
        self.on_watermark(MAX, emit)

    def held(self) -> int:
        return self.runs.n + len(self._left)

    def snapshot(self) -> dict[str, Any]:
        past = self._needed(self._left[-1][0][1] - 1) if self._left else self.past
        return {"waiting": [row for row, _ in self._left[::-1]] + self.runs.rows(), "past": saved_rows(past)}

    def restore(self, saved: dict[str, Any]) -> None:
        self.runs.load(saved["waiting"])
        self._left, self._made = [], []
        self.past = columns_of(saved["past"])
        self.wake = self.runs.wake


def first_failing(n: int, results_of: Callable[[int], object], error: Exception) -> RowFailed:
    """Return the failure of the first item whose window has no result, by bisection.

    Args:
        n: Number of items.
        results_of: Computes the results of that many first items, and fails if one of their windows has none.
        error: The error of all of them.
    """

    def error_at(index: int) -> Exception | None:
        try:
            results_of(index + 1)
        except Exception as error:
            return error
        return None

    index = bisect_left(range(n - 1), True, key=lambda index: error_at(index) is not None)
    return RowFailed(index, error_at(index) or error)


def _codes(columns: Columns) -> NDArray[np.int64]:
    """Return a number for the key of each row, 0 or more."""
    return np.zeros(columns.n, np.int64) if columns.key is None else columns.key.codes.astype(np.int64) + 1


def _found(
    keys: NDArray[np.int64], ts: NDArray[np.int64], at: NDArray[np.intp], later: int | NDArray[np.int64], side: Any
) -> NDArray[np.intp]:
    """Return where the times at `at`, moved by `later`, belong within their key, among rows by (key, ts)."""
    least = int(ts.min())
    span = int(ts.max()) - least + 2
    # If key and time fit into one int, a single search finds all positions.
    if (int(keys.max()) + 1) * span < 1 << _MOST_BITS:
        wanted = np.clip(ts[at] - least + np.maximum(later, -span), 0, span - 1)
        found: NDArray[np.intp] = np.searchsorted(keys * span + (ts - least), keys[at] * span + wanted, side)
        return found
    out = np.empty(len(at), np.intp)
    moves = np.broadcast_to(later, len(at)).tolist()
    for n, (place, moved) in enumerate(zip(at.tolist(), moves, strict=True)):
        first, last = np.searchsorted(keys, keys[place], "left"), np.searchsorted(keys, keys[place], "right")
        instant = max(int(ts[place]) + moved, -(1 << 63))
        out[n] = first + np.searchsorted(ts[first:last], instant, side)
    return out
