"""The global window, which has all items."""

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
    """Return a single window of all time; its pane is emitted when the source ends.

    With `early`, partial panes are emitted before that. As Flink's GlobalWindows:
    `ops.window(windows.global_(), agg.sum("qty"), early=100)` emits the running sum of each key after every 100 items
    of the key; with `early="1m"`, after every minute of event time. A pane has the largest event time of its items; an
    early pane by time has the time that was passed.

    Example:
        >>> windows.global_().assign(12) == windows.global_().assign(-12)
        True
    """
    return _Global()
