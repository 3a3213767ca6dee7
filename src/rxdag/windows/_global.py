"""The global window: all there is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from rxdag.contract import MAX, MIN, Assigner

_ALWAYS: Final = ((MIN, MAX),)


@dataclass(frozen=True)
class _Global(Assigner):
    @property
    def is_endless(self) -> bool:
        return True

    def assign(self, ts: int) -> tuple[tuple[int, int], ...]:
        return _ALWAYS


def global_() -> Assigner:
    """One window of all time, whose pane comes out when the source ends; and before that as `early` says.

    As Flink's GlobalWindows: `ops.window(windows.global_(), agg.sum("qty"), early=100)` gives out the sum of each key so
    far with every 100 items of it, `early="1m"` when a minute of event time has passed. A pane has the largest event time
    of its items; one that is given out early by time, the time that was passed.

    Example:
        >>> windows.global_().assign(12) == windows.global_().assign(-12)
        True
    """
    return _Global()
