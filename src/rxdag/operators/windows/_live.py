"""Late rows of columns: separated from those that the aggregate reads."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rxdag.columns import Columns
from rxdag.contract import ColumnsAggregate, ColumnsEmit, RowFailed


def read_live(
    arrays: ColumnsAggregate, columns: Columns, is_live: NDArray[np.bool_] | None, emit: ColumnsEmit
) -> tuple[Columns, Any]:
    """Return the rows that are not late, and what an aggregate reads from them; the others go to port "late".

    Args:
        arrays: The aggregate.
        columns: The rows.
        is_live: shape (rows,): False for late rows; None if there are none.
        emit: Exits of the kernel.

    Raises:
        RowFailed: If the aggregate fails for a row; nothing has been emitted then.
    """
    if is_live is None or is_live.all():
        return columns, arrays.read(columns)
    live = columns.where(is_live)
    try:
        values = arrays.read(live)
    except RowFailed as failed:
        raise RowFailed(int(np.flatnonzero(is_live)[failed.index]), failed.cause) from failed.cause
    emit.late(columns.where(~is_live))
    return live, values
