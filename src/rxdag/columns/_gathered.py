"""Gathered: items that came one by one, as columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rxdag.columns._column import ints_of
from rxdag.columns._columns import Columns
from rxdag.columns._keys import code_values
from rxdag.expressions import checks_itself


def gathered(
    items: list[Any],
    of: Any,
    *,
    times: Sequence[int] | None = None,
    sequences: Sequence[Any] | None = None,
    keys: Sequence[Any] | None = None,
    before: list[int] | None = None,
) -> Columns:
    """Return items as columns; one column of objects if fields are missing or the type has checks of its own.

    Items of a type with checks, such as `__post_init__`, are never rebuilt: its code could refuse or change them.

    Args:
        items: One or more items.
        of: Type of the items; None for that of the first.
        times: Event time of each, ns.
        sequences: Tie-breaker of each, given together with times.
        keys: Key of each.
        before: Watermark before each, ns.
    """
    try:
        columns = columns_of_rows(items, of)
    except Exception:  # expressions are then evaluated item by item
        columns = Columns.of_objects(items)
    if times is not None:
        columns = columns.timed(ints_of([*times]), None if sequences is None else ints_of([*sequences]))
    if keys is not None:
        columns = columns.keyed(code_values(keys))
    return columns if before is None else columns.marked(np.array(before, np.int64))


def columns_of_rows(items: list[Any], of: Any = None) -> Columns:
    """Return one or more items as columns; one column of objects if their type has checks of its own.

    Raises:
        ValueError: If an item has fields that the other items, or their type, lack.
    """
    if checks_itself(type(items[0])) or (of is not None and checks_itself(of)):
        return Columns.of_objects(items)
    return Columns.from_items(items, of)
