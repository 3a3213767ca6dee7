"""Panes that overlap, item by item: the results of accumulators, where no array operation gives them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rxdag.columns._spans import Spans
from rxdag.contract import Accumulator


def each_rolled(make: Callable[[], Accumulator[Any, Any]], items: Sequence[Any], spans: Spans) -> list[Any]:
    """Return the result of each pane, by accumulators.

    Args:
        make: Makes an accumulator of items.
        items: shape (rows,), in order.
        spans: The panes.
    """
    ts = spans.ts.tolist()
    sequence = [0] * len(ts) if spans.sequence is None else spans.sequence.tolist()
    low, border, high = spans.low.tolist(), spans.border.tolist(), spans.high.tolist()
    out: list[Any] = []
    for first, end in spans.runs():
        at = border[first]
        older: list[Any] = []
        for row in range(at - 1, low[first] - 1, -1):
            part = make()
            part.add_at(items[row], ts[row], sequence[row])
            if older:
                part.merge(older[-1])
            older.append(part)
        newer = make()
        for pane in range(first, end):
            while at < high[pane]:
                newer.add_at(items[at], ts[at], sequence[at])
                at += 1
            whole = newer
            if low[pane] < border[pane]:
                whole = make()
                whole.merge(older[border[pane] - low[pane] - 1])
                if border[pane] < high[pane]:
                    whole.merge(newer)
            out.append(whole.result())
    return out
