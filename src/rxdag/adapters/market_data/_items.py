"""Items of market-data-core, converted to and from those of rxdag."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from rxdag.adapters.market_data._extra import EXTRA
from rxdag.contract import Pane, import_extra
from rxdag.errors import GraphError, shown
from rxdag.market import Bar, Trade

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TIMES: Final = ("ts", "timestamp")


def aware(item: Any, /) -> Any:
    """Return an item of core with an aware time; naive times of core are UTC.

    Args:
        item: A Quote, Bar or Trade of market-data-core; others are returned as they are.
    """
    for name in _TIMES:
        when = getattr(item, name, None)
        if isinstance(when, datetime) and when.tzinfo is None and hasattr(item, "model_copy"):
            return item.model_copy(update={name: when.replace(tzinfo=UTC)})
    return item


def event_ns(item: Any, /) -> int:
    """Return the event time of a core item, ns since the epoch: `ops.event_time(market_data.event_ns)`.

    Raises:
        TypeError: If it has no time.
    """
    for name in _TIMES:
        when = getattr(item, name, None)
        if isinstance(when, datetime):
            return _ns(when if when.tzinfo is not None else when.replace(tzinfo=UTC))
    raise TypeError(f"event_ns: takes an item of market-data-core, with ts or timestamp, got {shown(item)}")


def _ns(when: datetime) -> int:
    return (when - _EPOCH) // timedelta(microseconds=1) * 1000


def utc(ns: int) -> datetime:
    """Return ns since the epoch as an aware datetime, rounded down to the microsecond."""
    return _EPOCH + timedelta(microseconds=ns // 1000)


def symbol_of(pane: Pane[Any, Any]) -> str:
    """Return the symbol of a pane's key: the key, or its last part."""
    key: Any = pane.key
    if isinstance(key, tuple):
        key = list[Any](key)[-1]  # pyright: ignore[reportUnknownArgumentType]  # of whatever
    return str(key)


def core_bar(resolution: str, /) -> Callable[[Any], Any]:
    """Return a function from panes to core bars, for `ops.map(market_data.core_bar("1s"))` or `into=` of a window.

    The key of a pane is the symbol, or a tuple that ends with it. The time of a bar is its end, as in core.

    Args:
        resolution: Resolution of the bars, such as "1s".

    Raises:
        MissingExtra: If market-data-core is not installed.
    """
    made = import_extra("market_data_core", EXTRA, "core_bar").Bar

    def into(pane: Pane[Any, Any]) -> Any:
        symbol = symbol_of(pane)
        value = pane.value
        prices = {name: Decimal(str(getattr(value, name))) for name in ("open", "high", "low", "close", "volume")}
        return made(symbol=symbol, ts=utc(pane.end), resolution=resolution, **prices)

    return into


def core_trade(trade: Trade, /) -> Any:
    """Return a trade as a core trade.

    Raises:
        MissingExtra: If market-data-core is not installed.
        ValueError: If its quantity is not a whole number, as core requires.
    """
    made = import_extra("market_data_core", EXTRA, "core_trade").Trade
    if trade.qty != int(trade.qty):
        raise ValueError(
            "core_trade: qty must be a whole number, since market-data-core stores sizes as integers, got "
            f"{shown(trade.qty)}"
        )
    return made(
        symbol=trade.symbol,
        ts=utc(trade.trade_ms * 1_000_000),
        price=Decimal(str(trade.price)),
        size=int(trade.qty),
        exchange=trade.venue or None,
    )


def from_core(item: Any, /) -> Trade | Bar:
    """Return a trade or bar of core as that of rxdag, in floats.

    A core trade has no number and no aggressor: `trade_id` is 0, `buyer_is_maker` False. A core bar has only its end,
    so `start` is the end minus the resolution; `count` is 0 and `vwap` None, which core lacks.

    Raises:
        GraphError: If it is neither.
    """
    kind = type(item).__name__
    if kind == "Trade":
        ns = event_ns(item)
        ms = ns // 1_000_000
        return Trade(ns, ms, ms, item.exchange or "", item.symbol, 0, float(item.price), float(item.size), False)
    if kind == "Bar":
        from rxdag.contract import duration_ns
        from rxdag.market import iso_utc

        end = event_ns(item)
        start = end - duration_ns(item.resolution, "from_core: resolution")
        prices = (float(item.open), float(item.high), float(item.low), float(item.close), float(item.volume))
        return Bar("", item.symbol, iso_utc(start), iso_utc(end), *prices, None, 0)
    raise GraphError(f"from_core: takes a Trade or a Bar of market-data-core, got {shown(item)}")
