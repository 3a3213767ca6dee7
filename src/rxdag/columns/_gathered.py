"""Gathered: items that came one by one, as columns."""

from __future__ import annotations

from typing import Any

import numpy as np

from rxdag.columns._column import ints_of
from rxdag.columns._columns import Columns
from rxdag.columns._keys import code_values


def gathered(
    items: list[Any],
    of: Any,
    *,
    times: list[int] | None = None,
    sequences: list[Any] | None = None,
    keys: list[Any] | None = None,
    before: list[int] | None = None,
) -> Columns:
    """Return items as columns; one column of objects if they do not all have the fields of their type.

    Args:
        items: One or more.
        of: Their type; None for that of the first.
        times: Event time of each, ns.
        sequences: Tie-break of each, beside times.
        keys: Key of each.
        before: The watermark that holds before each, ns.
    """
    try:
        columns = Columns.from_items(items, of)
    except Exception:  # what is asked of them is asked one by one
        columns = Columns.of_objects(items)
    if times is not None:
        columns = columns.timed(ints_of(times), None if sequences is None else ints_of(sequences))
    if keys is not None:
        columns = columns.keyed(code_values(keys))
    return columns if before is None else columns.marked(np.array(before, np.int64))
