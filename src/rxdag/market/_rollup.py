"""Longer bars of shorter ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeVar
from zoneinfo import ZoneInfo

from rxdag import operators as ops
from rxdag import windows
from rxdag.aggregates import Ohlcv
from rxdag.aggregates.accumulators import vwap_within
from rxdag.contract import Accumulator, Aggregate, Assigner, BadItem, Duration, Pane, format_ns, iso_utc, signed_ns
from rxdag.errors import GraphError, shown
from rxdag.graph import Stream, checked_stream
from rxdag.market._session_windows import SessionWindows

K = TypeVar("K")

_DAYS: Final = range(1_704_067_200 * 10**9, 1_830_297_600 * 10**9, 86_400 * 10**9)
"""Days of 2024 to 2027, ns, with a leap day and changes of daylight saving time."""


class _Rolled(Accumulator[Any, Ohlcv]):
    """The newest revision of each bar, by where it starts."""

    state = ("bars",)

    def __init__(self, longer: Assigner) -> None:
        self._longer = longer
        self.bars: dict[int, tuple[int, Ohlcv]] = {}

    def check(self, item: Pane[Any, Ohlcv], /) -> None:
        if self._longer.assign(item.start) != self._longer.assign(item.end - 1):
            raise BadItem(
                f"rollup: a bar must lie within one longer bar, got one from {iso_utc(item.start)} to "
                f"{iso_utc(item.end)}"
            )

    def add(self, item: Pane[Any, Ohlcv], /) -> None:
        self.check(item)
        known = self.bars.get(item.start)
        if known is None or item.revision >= known[0]:
            self.bars[item.start] = (item.revision, item.value)

    def result(self) -> Ohlcv:
        bars = [self.bars[start][1] for start in sorted(self.bars)]
        volume: float = 0
        turnover: Any = 0
        for bar in bars:
            volume += bar.volume
            turnover += (bar.vwap or 0) * bar.volume
        high, low = max(bar.high for bar in bars), min(bar.low for bar in bars)
        vwap = vwap_within(turnover, volume, low, high)
        return Ohlcv(bars[0].open, high, low, bars[-1].close, volume, vwap, sum(bar.count for bar in bars))

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
    longer: Assigner

    def accumulator(self) -> _Rolled:
        return _Rolled(self.longer)


def rollup(
    bars: Stream[Pane[K, Ohlcv]],
    size: Duration | Assigner,
    /,
    *,
    offset: Duration = "0s",
    tz: str | ZoneInfo | None = None,
    allowed_lateness: Duration = "0s",
) -> Stream[Pane[K, Ohlcv]]:
    """Combine shorter bars into longer ones, equal to those of the ticks.

    Bars that fill a gap, with count 0, are ignored. A revision of a bar replaces the previous one. A bar that does not
    lie within one longer bar goes to port "dead", or is unassigned if it ends outside of all of them. Prices and counts are exactly those of the ticks; volume and VWAP are
    sums of sums, with a relative difference of at most 1e-12.

    Args:
        bars: Panes of `agg.ohlcv`, from a window or from `resample_ohlc`. They must be adjacent, as those of
            `windows.tumbling`, and each must lie within one of the longer bars.
        size: Length of the longer bars, a multiple of the shorter ones; also "1d", "1w", "1mo", "1q" and "1y" with `tz`.
            Or windows, such as `nyse.windows()` for one bar for each session; `offset` and `tz` do not apply then.
        offset: Shift of the longer bars, later, or earlier as "-1s"; less than `size`.
        tz: Time zone of days and longer periods.
        allowed_lateness: How long after its end a longer bar accepts revisions and is emitted again.

    Raises:
        GraphError: If an argument is invalid, as far as this can be known from the bars, or the bars have no event
            time.

    Example:
        >>> ticks = [(1, 10.0), (65, 12.0), (130, 11.0)]
        >>> timed = rxdag.from_source(sources.iterable(ticks)).pipe(ops.event_time(lambda t: t[0], unit="s"))
        >>> keyed = timed.pipe(ops.key_by(lambda t: "all"))
        >>> minutes = keyed.pipe(ops.window(windows.tumbling("1m"), agg.ohlcv(lambda t: t[1], lambda t: 1)))
        >>> [(pane.value.high, pane.value.count) for pane in market.rollup(minutes, "5m").collect()]
        [(12.0, 3)]
    """
    checked_stream(bars, "rollup")
    shape = bars.node.port_shape(bars.port)
    if shape.item_type not in (None, Pane):
        raise GraphError(
            f"rollup: takes panes of agg.ohlcv, got items of {getattr(shape.item_type, '__name__', shape.item_type)}"
        )
    longer = size if isinstance(size, Assigner) else windows.tumbling(size, offset=offset, tz=tz)
    if longer is size and (tz is not None or signed_ns(offset, "rollup: offset")):
        raise GraphError(f"rollup: offset and tz do not go with windows, got {shown(offset)} and {shown(tz)}")
    if shape.windows is not None:
        _check_fit(shape.windows, longer)
    keyed = bars.pipe(ops.filter(_is_traded)).pipe(ops.key_by(_key_of))
    return keyed.pipe(ops.window(longer, _RolledUp(longer), allowed_lateness=allowed_lateness))


def _check_fit(shorter: Assigner, longer: Assigner) -> None:
    """Raise GraphError if not each of the shorter windows is within one of the longer ones."""
    even, longer_even = shorter.evenly, longer.evenly
    if shorter.merges or shorter.is_endless or shorter.counts is not None or (even is not None and even[0] != even[1]):
        raise GraphError(f"rollup: bars must be of adjacent windows, such as windows.tumbling, got {_named(shorter)}")
    if isinstance(shorter, SessionWindows) or isinstance(longer, SessionWindows):
        fits = not isinstance(shorter, SessionWindows) or shorter.may_fit(longer)
    elif even is not None and longer_even is not None:
        size, _, offset = even
        fits = longer_even[0] % size == 0 and (longer_even[2] - offset) % size == 0
    else:
        starts = {start for day in _DAYS for start, _ in longer.assign(day)}
        fits = all(window[0] == start for start in starts for window in shorter.assign(start))
    if not fits:
        raise GraphError(
            f"rollup: each bar must lie within one longer bar, whose size is a multiple of its own, "
            f"got bars of {_named(shorter)} for {_named(longer)}; use another size= or offset=, or shorter bars"
        )


def _named(windows: Assigner) -> str:
    """Return how a message calls windows: their size and offset, if they have one."""
    if windows.evenly is None:
        return shown(windows).strip("_")
    size, slide, offset = windows.evenly
    every = "" if slide == size else f" every {format_ns(slide)}"
    return f"{format_ns(size)}{every}{f' with offset {format_ns(offset)}' if offset else ''}"


def _is_traded(pane: Pane[Any, Ohlcv]) -> bool:
    try:
        return pane.value.count > 0
    except (AttributeError, TypeError):
        raise TypeError(f"rollup: takes panes of agg.ohlcv, got {shown(pane)}") from None


def _key_of(pane: Pane[K, Ohlcv]) -> K:
    return pane.key
