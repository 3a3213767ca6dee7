"""Session windows: they end after a gap without items."""

from __future__ import annotations

from dataclasses import dataclass

from rxdag.contract import Assigner, Duration, positive_ns


@dataclass(frozen=True)
class _Session(Assigner):
    gap_ns: int

    @property
    def merges(self) -> bool:
        return True

    @property
    def reach(self) -> int:
        return self.gap_ns

    def assign(self, ts: int) -> tuple[tuple[int, int], ...]:
        return ((ts, ts + self.gap_ns),)


def session(gap: Duration) -> Assigner:
    """Return session windows: items of a key that are at most a gap apart.

    A window ends one gap after its last item. Items exactly a gap apart are in one session, as in Flink and Kafka
    Streams. An item between two sessions merges them.

    Args:
        gap: Longest pause within a session, more than 0.

    Raises:
        GraphError: If `gap` is 0.

    Example:
        >>> windows.session("5ns").assign(12)
        ((12, 17),)
    """
    return _Session(positive_ns(gap, "session: gap"))
