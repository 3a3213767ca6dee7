"""Resampling: bars without holes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from rxdag import aggregates as agg
from rxdag import operators as ops
from rxdag import windows
from rxdag.aggregates import Ohlcv
from rxdag.contract import MAX, Duration, Emit, Kernel, Operator, Pane, Shape, positive_ns, signed_ns
from rxdag.errors import GraphError, shown
from rxdag.expressions import Field
from rxdag.graph import KeyedStream, Stream, checked_stream
from rxdag.market._session import Session, checked_session
from rxdag.market._session_windows import SessionWindows

K = TypeVar("K")
A = TypeVar("A")

Gap = Literal["skip", "previous", "nan"]
_NAN = float("nan")


@dataclass(frozen=True)
class _Adjacent:
    """Bars of one length, each of which begins at the end of another one."""

    size_ns: int

    def following(self, end: int) -> tuple[int, int]:
        return end, end + self.size_ns


class _FillKernel(Kernel):
    """Fills gaps after the last bar of each key with its close."""

    state = ("last", "wake")

    def __init__(self, windows: _Adjacent | SessionWindows, gap: Gap) -> None:
        self._windows = windows
        self._gap = gap
        self.last: dict[Any, tuple[int, float]] = {}
        self.wake = MAX

    def on_item(self, item: Pane[Any, Ohlcv], ts: int, emit: Emit[Any]) -> None:
        known = self.last.get(item.key)
        if known is not None and item.start >= known[0]:
            self._fill(item.key, item.start, emit)
        if known is None or item.end > known[0]:
            self.last[item.key] = (item.end, item.value.close)
            self.wake = min(self.wake, self._due(item.end))
        emit(item)

    def _fill(self, key: Any, until: int, emit: Emit[Any]) -> None:
        """Emit a bar for each interval of the key that ends by then."""
        at, close = self.last[key]
        price = close if self._gap == "previous" else _NAN
        while (window := self._windows.following(at)) is not None and window[1] <= until:
            start, at = window
            bar = Ohlcv(price, price, price, price, 0, None, 0)
            emit.made(Pane(key, start, at, 0, bar, "watermark"), ts=at - 1, sequence=0, key=key)
        self.last[key] = (at, close)

    def _due(self, end: int) -> int:
        """Return the watermark at which the bar after another one is filled."""
        window = self._windows.following(end)
        return MAX if window is None else window[1] - 1

    def on_watermark(self, watermark: int, emit: Emit[Any]) -> None:
        if watermark == MAX:  # the end of the data does not advance market time
            return
        for key in list(self.last):
            self._fill(key, watermark + 1, emit)
        self.wake = min((self._due(end) for end, _ in self.last.values()), default=MAX)

    def snapshot(self) -> dict[str, Any]:
        return {"last": [[key, *last] for key, last in self.last.items()], "wake": self.wake}

    def restore(self, saved: dict[str, Any]) -> None:
        self.last = {key: (end, close) for key, end, close in saved["last"]}
        self.wake = saved["wake"]


@dataclass(frozen=True)
class _Fill(Operator["Pane[K, Ohlcv]", "Pane[K, Ohlcv]"], Generic[K]):
    windows: _Adjacent | SessionWindows
    gap: Gap
    label = "fill_gaps"
    needs_event_time = True

    def shape(self, shape: Shape) -> Shape:
        return shape

    def kernel(self) -> _FillKernel:
        return _FillKernel(self.windows, self.gap)


def resample_ohlc(
    ticks: KeyedStream[K, A],
    size: Duration,
    price: Field[A, float],
    qty: Field[A, float],
    *,
    gap: Gap = "skip",
    offset: Duration = "0s",
    session: Session | None = None,
    name: str | None = None,
) -> Stream[Pane[K, Ohlcv]]:
    """Build bars of equal length for each key, with or without bars for gaps.

    Gaps are filled only after the first tick of a key, and only up to the watermark: a quiet market gets flat bars as
    its time advances. The end of the data fills no gaps. A bar that fills a gap has volume and count 0 and no VWAP.
    With `session`, bars are those of `session.windows(size)`, and gaps are filled within sessions only, so that the
    first bars of a day can have the close of the day before.

    Args:
        ticks: Ticks with event time and keys.
        size: Length of a bar, more than 0.
        price: Finite price of each tick: a field name, `col.<name>` or a function.
        qty: Quantity of each tick, finite, 0 or more.
        gap: "skip" for no bar, "previous" for a bar at the previous close, "nan" for a bar without prices.
        offset: Shift of the bars, later, or earlier as "-1s"; less than `size`.
        session: Trading sessions; by default, bars are aligned to the epoch.
        name: Name of the node; the name of the node before it, if there is one, begins with it. A run with checkpoints
            needs it.

    Raises:
        GraphError: If an argument is invalid.

    Example:
        >>> quotes = [(1, 10.0), (5, 11.0), (35, 20.0)]
        >>> timed = rxdag.from_source(sources.iterable(quotes)).pipe(ops.event_time(lambda q: q[0], unit="s"))
        >>> keyed = timed.pipe(ops.key_by(lambda q: "all"))
        >>> bars = market.resample_ohlc(keyed, "10s", lambda q: q[1], lambda q: 1, gap="previous")
        >>> [(pane.start // 10**9, pane.value.close, pane.value.count) for pane in bars.collect()]
        [(0, 11.0, 2), (10, 11.0, 0), (20, 11.0, 0), (30, 20.0, 1)]
    """
    if gap not in ("skip", "previous", "nan"):
        raise GraphError(f'resample_ohlc: gap must be "skip", "previous" or "nan", got {shown(gap)}')
    size_ns = positive_ns(size, "resample_ohlc: size")
    checked_stream(ticks, "resample_ohlc")
    before = name if name is None or gap == "skip" else f"{name}_bars"
    following: _Adjacent | SessionWindows = _Adjacent(size_ns)
    assigner = windows.tumbling(size, offset=offset)
    if session is not None:
        if signed_ns(offset, "resample_ohlc: offset"):
            raise GraphError(f"resample_ohlc: offset does not go with session, got {shown(offset)}")
        assigner = following = checked_session(session, "resample_ohlc").windows(size)
    bars = ticks.pipe(ops.window(assigner, agg.ohlcv(price, qty)), name=before)
    if gap == "skip":
        return bars
    fill: Operator[Pane[K, Ohlcv], Pane[K, Ohlcv]] = _Fill[K](following, gap)
    return bars.pipe(fill, name=name)
