"""Aggregates of panes that overlap, over columns: each row of a batch is added twice."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from rxdag.columns import Array, Spans
from rxdag.contract import plus

_INT64: Final = np.iinfo(np.int64)


def scanned(values: Array, spans: Spans, newer: Any, older: Any) -> Array:
    """Return the combined values of each pane.

    The older part is combined from its border backwards, the newer part forwards; then both are, as the accumulators of
    `ops.rolling` are.

    Args:
        values: shape (rows,).
        spans: The panes.
        newer: A ufunc of the value so far and the next one, which is younger.
        older: The same for a next one that is older.
    """
    before, since = np.empty_like(values), np.empty_like(values)
    for first, end in spans.runs():
        low, border, high = spans.low[first], spans.border[first], spans.high[end - 1]
        older.accumulate(values[low:border][::-1], out=before[low:border][::-1])
        newer.accumulate(values[border:high], out=since[border:high])
    has_older, has_newer = spans.low < spans.border, spans.border < spans.high
    both = has_older & has_newer
    out: Array = np.where(has_newer, since[spans.high - 1], before[spans.low])
    out[both] = newer(before[spans.low[both]], since[spans.high[both] - 1])
    return out


def sums(values: Array, spans: Spans, what: str) -> Array:
    """Return the sum of each pane.

    Args:
        values: shape (rows,).
        spans: The panes.
        what: Name of the value, for messages.

    Raises:
        BadItem: If Python does not add up two values of a pane.
    """
    if values.dtype.kind == "i" and len(spans):
        most = max(abs(int(values.min())), abs(int(values.max())))
        if most * int((spans.high - spans.low).max()) > _INT64.max:
            values = values.astype(object)
    newer: Any = np.add
    older: Any = np.add
    if values.dtype.kind == "O":
        newer = np.frompyfunc(lambda so_far, value: plus(so_far, value, what), 2, 1)
        older = np.frompyfunc(lambda so_far, value: plus(value, so_far, what), 2, 1)
    with np.errstate(all="ignore"):  # an overflow gives infinity, as in Python
        # From 0 on, as the accumulators: a sum of -0.0 is 0.0.
        return scanned(values + 0, spans, newer, older)


def extremes(values: Array, spans: Spans, *, is_max: bool) -> Array:
    """Return the largest or the least value of each pane; of equal ones, the first."""
    if values.dtype.kind == "i" or (values.dtype.kind == "f" and values.all()):
        numeric = np.maximum if is_max else np.minimum
        return scanned(values, spans, numeric, numeric)
    # Equal values can differ: numpy takes either of 0.0 and -0.0.
    newer, older = (_later_max, _earlier_max) if is_max else (_later_min, _earlier_min)
    return scanned(values.astype(object), spans, np.frompyfunc(newer, 2, 1), np.frompyfunc(older, 2, 1))


def _later_max(so_far: Any, value: Any) -> Any:
    return value if value > so_far else so_far


def _earlier_max(so_far: Any, value: Any) -> Any:
    return so_far if so_far > value else value


def _later_min(so_far: Any, value: Any) -> Any:
    return value if value < so_far else so_far


def _earlier_min(so_far: Any, value: Any) -> Any:
    return so_far if so_far < value else value
