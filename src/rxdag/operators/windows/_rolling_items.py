"""Rolling windows over a number of items: the last ones of each key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rxdag.contract import Aggregate, Emit, Kernel
from rxdag.operators.keyed._by_key import KeyedKernel, Lasting
from rxdag.operators.windows._panes import blamed
from rxdag.operators.windows._rolling_rows import RollingRows, restored, result_of


class RollingItemsKernel(KeyedKernel):
    """The last items of each key."""

    def __init__(
        self, size: int, aggregate: Aggregate[Any, Any], into: Callable[[Any, Any], Any] | None, lasting: Lasting
    ) -> None:
        super().__init__(lasting)
        self._size = size
        self._aggregate = aggregate
        self._new = aggregate.factory()
        self._into = into

    def on_item(self, item: Any, ts: int, sequence: int, key: Any, now: int, emit: Emit[Any]) -> None:
        make = self._new
        make().add_at(item, ts, sequence)  # any error is raised before the state changes
        at = now if self.by_clock else ts
        kept = self.found(key, at)
        window: RollingRows = RollingRows(make()) if kept is None else kept.value
        row, gone = (ts, sequence, item), window.rows[0] if len(window.rows) == self._size else None
        try:
            if gone is not None:
                window.let_go(1, make)
            window.add(row)
            made = result_of(self._into, item, window, window.rows[0][0], ts)
        except BaseException:
            window.give_back(row, gone, make)
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
        arrays = self._aggregate.in_columns()
        if isinstance(arrays, str):
            return arrays
        from rxdag.operators.windows._rolling_columns import RollingItemsColumnsKernel  # it loads numpy

        return RollingItemsColumnsKernel(self._size, self._aggregate, arrays)

    def pack(self, value: Any) -> Any:
        return [list(row) for row in value.rows]

    def unpack(self, saved: Any) -> Any:
        return restored(self._aggregate, saved)
