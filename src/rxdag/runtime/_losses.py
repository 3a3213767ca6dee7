"""Losses of runs whose books are not returned: a warning names them, and the likely fix."""

from __future__ import annotations

import sys
import warnings
from types import FrameType
from typing import Final

from rxdag.contract import label_of
from rxdag.errors import GraphWarning
from rxdag.runtime._result import LOSS_PORTS, RunResult, losses_of

_PAIRING: Final = ("zip", "combine_latest", "with_latest_from")
"""Operators that, unlike joins, are not expected to drop items without a partner."""


def warn_of_losses(result: RunResult) -> None:
    """Warn of items that left by another way, since the caller sees only the outputs."""
    lost = [
        line
        for name, what, line in losses_of(result)
        if what in LOSS_PORTS and (what != "dropped (unmatched)" or label_of(result.dag.nodes[name].thing) in _PAIRING)
    ]
    lost += [
        f"{edge.dropped:,} dropped by the full gate {edge.name}: use a larger max_items, or another overflow policy"
        for edge in result.stats.edges
        if edge.dropped
    ]
    if lost:
        warnings.warn("; ".join(lost), GraphWarning, stacklevel=_outside())


def _outside() -> int:
    """Return the number of frames up to the code that called rxdag."""
    n = 1
    frame: FrameType | None = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]  # documented, and the only way
    while frame is not None and str(frame.f_globals.get("__name__", "")).startswith("rxdag."):
        frame, n = frame.f_back, n + 1
    return n
