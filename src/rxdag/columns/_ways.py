"""Ways: the items of a run by what their keys say, with one call for each distinct key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rxdag.columns._column import Coded
from rxdag.columns._keys import distinct, first_rows
from rxdag.contract import RowFailed


def ways_of(key: Coded, way_of: Callable[[Any], int]) -> NDArray[np.intp]:
    """Return the way of each item.

    Args:
        key: Key of each item.
        way_of: Returns the way of a key; it is called once for each distinct key.

    Raises:
        RowFailed: If it raises; at the first item with such a key.
    """
    found, group = distinct(key.codes.astype(np.int64) + 1, len(key.names) + 1)  # a null is 0
    ways = np.zeros(len(found), np.intp)
    failed: dict[int, Exception] = {}
    for i, code in enumerate(found.tolist()):
        try:
            ways[i] = way_of(key.names[code - 1] if code else None)
        except Exception as error:
            failed[i] = error
    if failed:
        rows = first_rows(group, len(found))
        first = min(failed, key=lambda i: int(rows[i]))
        raise RowFailed(int(rows[first]), failed[first]) from failed[first]
    return ways[group]
