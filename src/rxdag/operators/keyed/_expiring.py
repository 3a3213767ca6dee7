"""State by key that is forgotten when nothing has come for a while."""

from __future__ import annotations

from typing import Any, Final

from rxdag.contract import MAX, Duration, positive_ns
from rxdag.errors import GraphError, shown
from rxdag.operators._compact import compact

ABSENT: Final = object()
"""Stands for there being no value."""


class Expiring:
    """Values by key, each forgotten `ttl` after the last time it was put.

    Keys are listed by the span of time their last time is in, and forgotten a span at a time: so what is known of a key
    depends on times and watermarks, never on when somebody looks.

    Args:
        ttl: How long a value lasts, ns; None for ever.
    """

    __slots__ = ("_spans", "_ttl", "values", "wake")

    def __init__(self, ttl: int | None) -> None:
        self._ttl = ttl
        self.values: dict[Any, tuple[Any, int]] = {}
        """Value and last time by key."""
        self._spans: dict[int, dict[Any, None]] = {}
        self.wake = MAX
        """Least watermark at which there is something to forget."""

    def get(self, key: Any, ts: int, watermark: int) -> Any:
        """The value of a key at a time; `ABSENT` if there is none any more."""
        kept = self.values.get(key)
        if kept is None:
            return ABSENT
        ttl = self._ttl
        if ttl is not None and (ts - kept[1] >= ttl or (kept[1] // ttl + 2) * ttl - 1 <= watermark):
            return ABSENT
        return kept[0]

    def put(self, key: Any, ts: int, value: Any) -> None:
        """Keep a value, from that time on."""
        kept = self.values.get(key)
        if kept is not None and kept[1] > ts:
            ts = kept[1]
        self.values[key] = value, ts
        if self._ttl is not None:
            span = ts // self._ttl
            if kept is None or kept[1] // self._ttl != span:
                self._list(key, span, self._ttl)

    def _list(self, key: Any, span: int, ttl: int) -> None:
        keys = self._spans.get(span)
        if keys is None:
            keys = self._spans[span] = {}
            self.wake = min(self.wake, (span + 2) * ttl - 1)
        keys[key] = None

    def drop(self, key: Any) -> None:
        """Forget a key."""
        self.values.pop(key, None)

    def forget(self, watermark: int) -> list[Any]:
        """Forget what is past; returns the values."""
        ttl = self._ttl
        if ttl is None:
            return []
        out: list[Any] = []
        n = len(self.values)
        for span in sorted(span for span in self._spans if (span + 2) * ttl - 1 <= watermark):
            for key in self._spans.pop(span):
                kept = self.values.get(key)
                if kept is not None and kept[1] // ttl == span:
                    out.append(kept[0])
                    del self.values[key]
        compact(self.values, n - len(self.values))
        self.wake = (min(self._spans) + 2) * ttl - 1 if self._spans else MAX
        return out

    def rows(self) -> list[list[Any]]:
        """State as plain data: [key, value, last time]."""
        return [[key, value, ts] for key, (value, ts) in self.values.items()]

    def load(self, rows: list[list[Any]]) -> None:
        """Take up what `rows` gave."""
        self.values, self._spans, self.wake = {}, {}, MAX
        for key, value, ts in rows:
            self.put(key, ts, value)


def ttl_ns(ttl: Duration | None, clock: str | None, name: str) -> int | None:
    """A ttl in nanoseconds, and the clock checked that goes with it.

    Raises:
        GraphError: If `ttl` is 0 or no duration, or `clock` is none or comes alone.
    """
    if clock not in (None, "event", "processing"):
        raise GraphError(f'{name}: clock must be "event" or "processing", got {shown(clock)}')
    if ttl is None and clock is not None:
        raise GraphError(f"{name}: clock goes with ttl=, got {shown(clock)} alone")
    return None if ttl is None else positive_ns(ttl, f"{name}: ttl")
