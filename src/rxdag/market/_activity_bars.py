"""Bars that end by what was traded, not by the clock: by volume, value, number of trades or range."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Context, Decimal
from operator import itemgetter
from typing import Any, Final, Literal, Self, TypeVar

from rxdag.aggregates import Ohlcv
from rxdag.aggregates import accumulators as acc
from rxdag.contract import BadItem, Emit, Kernel, Pane, Shape, WindowOp, positive, whole
from rxdag.errors import GraphError, shown
from rxdag.expressions import Field, bound, called, check_field, check_number

A = TypeVar("A")
K = TypeVar("K")

Extent = tuple[Decimal, Decimal]
"""Two numbers, whose difference is compared with the size of the bar."""

# Floats are added up as the decimal numbers that they are written as: ten trades of 0.1 make 1.
_EXACT: Final = Context(prec=64)
_ZERO: Final = Decimal(0)
_EMPTY: Final[Extent] = (_ZERO, _ZERO)
_new_bar: Final = acc.bars(itemgetter(0), itemgetter(1))


def _exact(value: Any, what: str) -> Decimal:
    try:
        return Decimal(str(value) if isinstance(value, float) else value)
    except TypeError:
        raise BadItem(f"{what} must be a float, an int or a Decimal, got {shown(value)}; cast it to one") from None


Measure = Callable[[Extent | None, Decimal, Decimal], Extent]
"""Function of the extent of the bar before a trade, its price and its quantity; returns the extent with it."""


class _ActivityKernel(Kernel):
    """The unfinished bar of each key, and its extent."""

    state = ("bars",)
    derived = ("_n",)
    passes = False

    def __init__(
        self, name: str, measure: Measure, size: Decimal, price: Callable[[Any], Any], qty: Callable[[Any], Any]
    ) -> None:
        self._name = name
        self._measure = measure
        self._size = size
        self._price = price
        self._qty = qty
        self.bars: dict[Any, tuple[acc.Bar, Extent]] = {}
        self._n = 0

    def in_columns(self) -> Kernel | str:
        return "where a bar ends depends on the trades before"

    def on_item(self, item: Any, ts: int, sequence: int, key: Any, emit: Emit[Any]) -> None:
        price, qty = acc.priced(self._price(item), self._qty(item), self._name)
        bar, before = self.bars.get(key) or (_new_bar(), None)
        exact_price = _exact(price, f"{self._name}: price")
        extent = self._measure(before, exact_price, _exact(qty, f"{self._name}: qty"))
        bar.add_at((price, qty), ts, sequence)
        self._n += 1
        if _EXACT.subtract(extent[1], extent[0]) < self._size:
            self.bars[key] = bar, extent
            return
        self.bars.pop(key, None)
        pane = self._pane(key, bar, "count", emit)
        emit(pane, ts=pane.end - 1, sequence=0, key=key)

    def _pane(self, key: Any, bar: acc.Bar, closed_by: Literal["count", "end"], emit: Emit[Any]) -> Pane[Any, Ohlcv]:
        value = bar.result()
        self._n -= value.count
        emit.absorbed(value.count)
        return Pane(key, int(bar.first_ts), int(bar.last_ts) + 1, 0, value, closed_by)

    def on_end(self, emit: Emit[Any]) -> None:
        for key, (bar, _) in self.bars.items():
            pane = self._pane(key, bar, "end", emit)
            emit.made(pane, ts=pane.end - 1, sequence=0, key=key, port="unfinished")
        self.bars = {}

    def held(self) -> int:
        return self._n

    def snapshot(self) -> dict[str, Any]:
        return {"bars": [[key, bar.snapshot(), *extent] for key, (bar, extent) in self.bars.items()]}

    def restore(self, saved: dict[str, Any]) -> None:
        self.bars = {}
        self._n = 0
        for key, of_bar, low, high in saved["bars"]:
            bar = _new_bar()
            bar.restore(of_bar)
            self.bars[key] = bar, (low, high)
            self._n += int(bar.count)


@dataclass(frozen=True)
class _ActivityBars(WindowOp[K, A, Pane[K, Ohlcv]]):
    size: Decimal
    price: Field[A, float]
    qty: Field[A, float]
    needs_event_time = True
    leavings = ("dropped", "unassigned")

    @property
    def ports(self) -> tuple[str, ...]:
        return ("out", "unfinished", "late", "dead")  # as windows; no trade is late

    def check(self, shape: Shape, where: str) -> None:
        super().check(shape, where)
        if not shape.keyed:
            raise GraphError(f"{where}: needs a keyed stream; put ops.key_by(...) before it")
        check_number(self.price, shape.item_type, f"{where}: price")
        check_number(self.qty, shape.item_type, f"{where}: qty")

    def bound(self, shape: Shape) -> Self:
        return replace(self, price=bound(self.price, shape.item_type), qty=bound(self.qty, shape.item_type))

    def shape(self, shape: Shape) -> Shape:
        return Shape(Pane, timed=True, key_names=shape.key_names)

    def port_shape(self, port: str, shape: Shape) -> Shape:
        return self.shape(shape) if port == "unfinished" else super().port_shape(port, shape)

    def kernel(self) -> Kernel:
        return _ActivityKernel(self.label, self.measure, self.size, called(self.price), called(self.qty))

    @staticmethod
    @abstractmethod
    def measure(extent: Extent | None, price: Decimal, qty: Decimal) -> Extent:
        """Return the extent of a bar with one more trade; it was None before the first."""


class _VolumeBars(_ActivityBars[K, A]):
    label = "volume_bars"

    @staticmethod
    def measure(extent: Extent | None, price: Decimal, qty: Decimal) -> Extent:
        return _ZERO, _EXACT.add((extent or _EMPTY)[1], qty)


class _DollarBars(_ActivityBars[K, A]):
    label = "dollar_bars"

    @staticmethod
    def measure(extent: Extent | None, price: Decimal, qty: Decimal) -> Extent:
        return _ZERO, _EXACT.add((extent or _EMPTY)[1], _EXACT.multiply(abs(price), qty))


class _TickBars(_ActivityBars[K, A]):
    label = "tick_bars"

    @staticmethod
    def measure(extent: Extent | None, price: Decimal, qty: Decimal) -> Extent:
        return _ZERO, (extent or _EMPTY)[1] + 1


class _RangeBars(_ActivityBars[K, A]):
    label = "range_bars"

    @staticmethod
    def measure(extent: Extent | None, price: Decimal, qty: Decimal) -> Extent:
        low, high = extent or (price, price)
        return min(low, price), max(high, price)


def _bars(
    kind: type[_ActivityBars[K, A]], size: float, price: Field[A, float], qty: Field[A, float]
) -> WindowOp[K, A, Pane[K, Ohlcv]]:
    check_field(price, None, f"{kind.label}: price")
    check_field(qty, None, f"{kind.label}: qty")
    return kind(_exact(size, kind.label), price, qty)


def volume_bars(size: float, /, price: Field[A, float], qty: Field[A, float]) -> WindowOp[K, A, Pane[K, Ohlcv]]:
    """Build bars of equal volume for each key.

    The trade with which the volume of the bar reaches `size` is its last one. A trade is never split: all of it belongs
    to that bar, whose volume may therefore exceed `size`, and the next bar starts at 0. Floats are added up as the
    decimal numbers that they are written as, so ten trades of 0.1 make a volume of 1.

    Emits: a `Pane` of `agg.Ohlcv` with the last trade of each bar, closed by "count". It spans the time from the first
        trade to the last, inclusive, and has event time end - 1. When the source ends, the bars that have not reached
        `size` go to port "unfinished", closed by "end".
    Drops: a trade whose price or quantity is not a finite number, or whose quantity is below 0, goes to port "dead".
    Holds: one bar for each key.
    Ends: when the source ends. Fails: if `price` or `qty` raises, subject to the node's `on_error`.
    Clock: order of arrival; put `rxdag.merge_sorted` before `ops.key_by` if that is not the order of the trades.

    Args:
        size: Volume of a bar, more than 0, in the unit of `qty`.
        price: Finite price of each trade: a field name, `col.<name>` or a function.
        qty: Quantity of each trade, finite, 0 or more.

    Raises:
        GraphError: If an argument is invalid, or the stream has no key or no event time.

    Example:
        >>> trades = rxdag.from_source(sources.iterable([(1, 10.0, 3), (2, 12.0, 4), (3, 11.0, 5)]))
        >>> timed = rxdag.merge_sorted(trades.pipe(ops.event_time(lambda t: t[0], unit="s")))
        >>> keyed = timed.pipe(ops.key_by(lambda t: "all"))
        >>> bars = keyed.pipe(market.volume_bars(6, price=lambda t: t[1], qty=lambda t: t[2]))
        >>> [(pane.value.open, pane.value.close, pane.value.volume) for pane in bars.collect()]
        [(10.0, 12.0, 7)]
        >>> [pane.value.volume for pane in bars.side("unfinished").collect()]
        [5]
    """
    return _bars(_VolumeBars, positive(size, "volume_bars: size"), price, qty)


def dollar_bars(size: float, /, price: Field[A, float], qty: Field[A, float]) -> WindowOp[K, A, Pane[K, Ohlcv]]:
    """Build bars of equal traded value for each key.

    The value of a trade is its price times its quantity, a negative price taken as positive. The trade with which the
    value of the bar reaches `size` is its last one; it is never split, and the next bar starts at 0.

    Emits: as `market.volume_bars`, also on port "unfinished".
    Drops: a trade whose price or quantity is not a finite number, or whose quantity is below 0, goes to port "dead".
    Holds: one bar for each key.
    Ends: when the source ends. Fails: if `price` or `qty` raises, subject to the node's `on_error`.
    Clock: order of arrival, as `market.volume_bars`.

    Args:
        size: Value of a bar, more than 0, in quote currency.
        price: Finite price of each trade: a field name, `col.<name>` or a function.
        qty: Quantity of each trade, finite, 0 or more.

    Raises:
        GraphError: If an argument is invalid, or the stream has no key or no event time.

    Example:
        >>> trades = rxdag.from_source(sources.iterable([(1, 10.0, 3), (2, 12.0, 4), (3, 11.0, 5), (4, 11.5, 1)]))
        >>> keyed = trades.pipe(ops.event_time(lambda t: t[0], unit="s")).pipe(ops.key_by(lambda t: "all"))
        >>> bars = keyed.pipe(market.dollar_bars(70, price=lambda t: t[1], qty=lambda t: t[2]))
        >>> [(pane.value.count, pane.value.volume) for pane in bars.collect()]
        [(2, 7)]
    """
    return _bars(_DollarBars, positive(size, "dollar_bars: size"), price, qty)


def tick_bars(size: int, /, price: Field[A, float], qty: Field[A, float]) -> WindowOp[K, A, Pane[K, Ohlcv]]:
    """Build bars of a fixed number of trades for each key.

    They are the panes of `agg.ohlcv` over `windows.count(size)`, with the unfinished bars kept.

    Emits: as `market.volume_bars`, also on port "unfinished".
    Drops: a trade whose price or quantity is not a finite number, or whose quantity is below 0, goes to port "dead".
    Holds: one bar for each key.
    Ends: when the source ends. Fails: if `price` or `qty` raises, subject to the node's `on_error`.
    Clock: order of arrival, as `market.volume_bars`.

    Args:
        size: Number of trades in a bar, 1 or more.
        price: Finite price of each trade: a field name, `col.<name>` or a function.
        qty: Quantity of each trade, finite, 0 or more.

    Raises:
        GraphError: If an argument is invalid, or the stream has no key or no event time.

    Example:
        >>> trades = rxdag.from_source(sources.iterable([(1, 10.0, 3), (2, 12.0, 4), (3, 11.0, 5), (4, 11.5, 1)]))
        >>> keyed = trades.pipe(ops.event_time(lambda t: t[0], unit="s")).pipe(ops.key_by(lambda t: "all"))
        >>> bars = keyed.pipe(market.tick_bars(2, price=lambda t: t[1], qty=lambda t: t[2]))
        >>> [(pane.value.open, pane.value.close) for pane in bars.collect()]
        [(10.0, 12.0), (11.0, 11.5)]
    """
    return _bars(_TickBars, whole(size, "tick_bars: size", least=1), price, qty)


def range_bars(size: float, /, price: Field[A, float], qty: Field[A, float]) -> WindowOp[K, A, Pane[K, Ohlcv]]:
    """Build bars of equal price range for each key.

    The trade with which the high of the bar less its low reaches `size` is its last one, so after a jump of the price
    the range may exceed `size`. The next bar starts with the next trade, at that trade's price. Prices are compared as
    the decimal numbers that they are written as: 10.1 less 9.8 is 0.3.

    Emits: as `market.volume_bars`, also on port "unfinished".
    Drops: a trade whose price or quantity is not a finite number, or whose quantity is below 0, goes to port "dead".
    Holds: one bar for each key.
    Ends: when the source ends. Fails: if `price` or `qty` raises, subject to the node's `on_error`.
    Clock: order of arrival, as `market.volume_bars`.

    Args:
        size: Range of a bar, more than 0, in the unit of `price`.
        price: Finite price of each trade: a field name, `col.<name>` or a function.
        qty: Quantity of each trade, finite, 0 or more.

    Raises:
        GraphError: If an argument is invalid, or the stream has no key or no event time.

    Example:
        >>> trades = rxdag.from_source(sources.iterable([(1, 10.0, 3), (2, 12.0, 4), (3, 11.0, 5), (4, 11.5, 1)]))
        >>> keyed = trades.pipe(ops.event_time(lambda t: t[0], unit="s")).pipe(ops.key_by(lambda t: "all"))
        >>> bars = keyed.pipe(market.range_bars(2, price=lambda t: t[1], qty=lambda t: t[2]))
        >>> [(pane.value.low, pane.value.high) for pane in bars.collect()]
        [(10.0, 12.0)]
    """
    return _bars(_RangeBars, positive(size, "range_bars: size"), price, qty)
