"""Longer bars of shorter ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from rxdag import operators as ops
from rxdag import windows
from rxdag.aggregates import Ohlcv
from rxdag.contract import Accumulator, Aggregate, Duration, Pane
from rxdag.graph import Stream

K = TypeVar("K")


class _Rolled(Accumulator[Any, Ohlcv]):
    """The newest revision of each bar, by where it starts."""

    state = ("bars",)

    def __init__(self) -> None:
        self.bars: dict[int, tuple[int, Ohlcv]] = {}

    def add(self, item: Pane[Any, Ohlcv], /) -> None:
        known = self.bars.get(item.start)
        if known is None or item.revision >= known[0]:
            self.bars[item.start] = (item.revision, item.value)

    def result(self) -> Ohlcv:
        bars = [self.bars[start][1] for start in sorted(self.bars)]
        volume: float = 0
        turnover = 0.0
        for bar in bars:
            volume += bar.volume
            turnover += (bar.vwap or 0.0) * bar.volume
        return Ohlcv(
            bars[0].open,
            max(bar.high for bar in bars),
            min(bar.low for bar in bars),
            bars[-1].close,
            volume,
            turnover / volume if volume else None,
            sum(bar.count for bar in bars),
        )

    def merge(self, other: _Rolled, /) -> None:
        for start, bar in other.bars.items():
            if start not in self.bars or bar[0] >= self.bars[start][0]:
                self.bars[start] = bar

    def snapshot(self) -> list[Any]:
        return [[[start, *bar] for start, bar in self.bars.items()]]

    def restore(self, saved: list[Any]) -> None:
        self.bars = {start: (revision, bar) for start, revision, bar in saved[0]}


@dataclass(frozen=True)
class _RolledUp(Aggregate[Any, Ohlcv]):
    def accumulator(self) -> _Rolled:
        return _Rolled()


def rollup(
    bars: Stream[Pane[K, Ohlcv]],
    size: Duration,
    /,
    *,
    offset: Duration = "0s",
    tz: str | ZoneInfo | None = None,
    allowed_lateness: Duration = "0s",
) -> Stream[Pane[K, Ohlcv]]:
    """Make longer bars of shorter ones: the same bars that the ticks would give.

    Bars that fill a gap, with count 0, do not count. A bar that comes again as a revision takes the place of the one before.
    Prices and counts are exactly those of the ticks; volume and vwap are sums of sums, equal to within 1e-12 of their size.

    Args:
        bars: Panes of `agg.ohlcv`, as of a window or of `resample_ohlc`; each within one of the longer bars.
        size: Length of the longer bars, a multiple of that of the shorter ones; "1d", "1w" and "1mo" with `tz` too.
        offset: By how much they start later, or earlier as "-1s"; less than `size`.
        tz: Time zone of days, weeks and months.
        allowed_lateness: How long after its end a longer bar takes in revisions, and comes out again.

    Raises:
        GraphError: If an argument is not as above, or the bars have no event time.

    Example:
        >>> ticks = [(1, 10.0), (65, 12.0), (130, 11.0)]
        >>> timed = rxdag.from_source(sources.iterable(ticks)).pipe(ops.event_time(lambda t: t[0], unit="s"))
        >>> keyed = timed.pipe(ops.key_by(lambda t: "all"))
        >>> minutes = keyed.pipe(ops.window(windows.tumbling("1m"), agg.ohlcv(lambda t: t[1], lambda t: 1)))
        >>> [(pane.value.high, pane.value.count) for pane in market.rollup(minutes, "5m").collect()]
        [(12.0, 3)]
    """
    traded = bars.pipe(ops.filter(_is_traded))
    keyed = traded.pipe(ops.key_by(_key_of))
    assigner = windows.tumbling(size, offset=offset, tz=tz)
    return keyed.pipe(ops.window(assigner, _RolledUp(), allowed_lateness=allowed_lateness))


def _is_traded(pane: Pane[Any, Ohlcv]) -> bool:
    return pane.value.count > 0


def _key_of(pane: Pane[K, Ohlcv]) -> K:
    return pane.key
