"""Rows of columns that are added to open panes: late ones apart, and one by one where arrays cannot add them."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rxdag.columns import Columns
from rxdag.contract import Aggregate, ColumnsAggregate, ColumnsEmit, RowFailed


class Panes(Protocol):
    """The open panes of a kernel."""

    def add(self, columns: Columns, ts: NDArray[np.int64], values: Any) -> None:
        """Add rows to their panes, from what the aggregate has read of them."""

    def pane_of(self, ts: int, key: Any) -> tuple[Any, int | None]:
        """Return the pane of a row, hashable, and its place; None if it is not open."""
        ...

    def fill(self, pane: Any, state: list[Any], n: int, latest: int) -> None:
        """Replace the state of a pane that has taken in `n` more rows, the latest of that time; open it if it is new."""


def add_live(
    aggregate: Aggregate[Any, Any],
    arrays: ColumnsAggregate,
    columns: Columns,
    is_live: NDArray[np.bool_] | None,
    panes: Panes,
    emit: ColumnsEmit,
) -> None:
    """Add the rows that are not late to their panes; the others go to port "late".

    Args:
        aggregate: The definition of the aggregate.
        arrays: The same over columns.
        columns: The rows.
        is_live: shape (rows,): False for late rows; None if there are none.
        panes: The open panes.
        emit: Exits of the kernel.

    Raises:
        RowFailed: If the aggregate fails for a row; nothing has changed then.
    """
    has_late = is_live is not None and not is_live.all()
    live = columns.where(is_live) if has_late and is_live is not None else columns
    try:
        values = arrays.read(live)
        if live.ts is not None and live.n:
            if arrays.can_add(values) and can_order(live):
                panes.add(live, live.ts, values)
            else:
                _add_by_row(aggregate, arrays, live, panes)
    except RowFailed as failed:
        if not has_late or is_live is None:
            raise
        raise RowFailed(int(np.flatnonzero(is_live)[failed.index]), failed.cause) from failed.cause
    if has_late and is_live is not None:
        emit.late(columns.where(~is_live))


def results_of(arrays: ColumnsAggregate, places: list[int]) -> list[Any]:
    """Return the results of panes in order, up to the first one that fails; at least one.

    Raises:
        Exception: If the first one fails; its error.
    """
    try:
        return list(arrays.results(np.array(places, np.intp)))
    except Exception:
        values: list[Any] = []
        for place in places:
            try:
                values += arrays.results(np.array([place], np.intp))
            except Exception:
                if values:
                    break
                raise
        return values


def can_order(columns: Columns) -> bool:
    """Return True if the sequence of all rows can be compared."""
    return columns.sequence is None or columns.sequence.dtype.kind == "i"


def _add_by_row(aggregate: Aggregate[Any, Any], arrays: ColumnsAggregate, columns: Columns, panes: Panes) -> None:
    """Add each row to the accumulator of its pane, as on rows."""
    make = aggregate.factory()
    accumulators: dict[Any, Any] = {}
    times: dict[Any, list[int]] = {}
    ts, sequences, keys = columns.beside_rows()
    for index, item in enumerate(columns.rows()):
        pane, place = panes.pane_of(ts[index], keys[index])
        accumulator = accumulators.get(pane)
        if accumulator is None:
            accumulator = make()
            if place is not None:
                [state] = arrays.snapshot(np.array([place], np.intp))
                accumulator.restore(state)
        try:
            accumulator.add_at(item, ts[index], sequences[index])
        except Exception as error:
            raise RowFailed(index, error) from error
        accumulators[pane] = accumulator
        times.setdefault(pane, []).append(ts[index])
    for pane, accumulator in accumulators.items():
        panes.fill(pane, accumulator.snapshot(), len(times[pane]), max(times[pane]))
