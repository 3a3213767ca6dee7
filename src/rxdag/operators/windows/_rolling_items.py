"""Rolling windows over a number of items: the last ones of each key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rxdag.contract import Aggregate, Emit, Kernel
from rxdag.operators.keyed._by_key import KeyedKernel, Lasting
from rxdag.operators.windows._panes import blamed
from rxdag.operators.windows._rolling_rows import RollingAccumulators, RollingRows, result_of, rolling_in_columns


class RollingItemsKernel(KeyedKernel):
    """The last items of each key."""

    def __init__(
        self, size: int, aggregate: Aggregate[Any, Any], into: Callable[[Any, Any], Any] | None, lasting: Lasting
    ) -> None:
        super().__init__(lasting)
        self._size = size
        self._aggregate = aggregate
        self._how = RollingAccumulators(aggregate)
        self._into = into

    def on_item(self, item: Any, ts: int, sequence: int, key: Any, now: int, emit: Emit[Any]) -> None:
        row = (ts, sequence, item)
        part = self._how.of(row)  # any error is raised before the state changes
        at = now if self.by_clock else ts
        kept = self.found(key, at)
        window: RollingRows = RollingRows(self._how) if kept is None else kept.value
        n_older = window.n_older
        gone = window.rows[0] if len(window.rows) == self._size else None
        try:
            if gone is not None:
                # A border is every `size` items: once all items of the window are in the newer part.
                window.let_go(1, is_border=n_older == 0)
            window.add(row, part)
            made = result_of(self._into, item, window, window.rows[0][0], ts)
        except BaseException:
            window.give_back(row, gone, n_older)
            raise
        if kept is None:
            self.begin(key, window, at, emit)
        else:
            self.keep(key, window, at)
        emit(made)

    def blame(self, item: Any, error: Exception) -> Exception:
        return blamed(self._aggregate, item, error)

    def in_columns(self) -> Kernel | str:
        if self.ttl is not None:
            return "a ttl is judged item by item"
        if self._into is not None:
            return "opaque callable into"
        arrays = rolling_in_columns(self._aggregate)
        if isinstance(arrays, str):
            return arrays
        from rxdag.operators.windows._rolling_columns import RollingItemsColumnsKernel  # it loads numpy

        return RollingItemsColumnsKernel(self._size, self._aggregate, arrays)

    def pack(self, value: Any) -> Any:
        return [[list(row) for row in value.rows], value.n_older]

    def unpack(self, saved: Any) -> Any:
        window = RollingRows(self._how)
        window.load(*saved)
        return window
