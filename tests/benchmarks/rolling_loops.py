"""The plain loops of W9 and W10: rolling windows and an as-of join; nothing but Python, for peers too."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from heapq import heappop, heappush
from math import sqrt
from typing import Any

from tests.benchmarks.data import Tick
from tests.benchmarks.loops import LAG_US

# ---- W9: rolling mean and standard deviation


def w9_loop(data: list[Tick], *, period_us: int) -> list[tuple[float, float | None]]:
    """Return mean and standard deviation of the prices of each tick's symbol over a period, in order of event time."""
    waiting: list[tuple[int, str, float]] = []
    windows: dict[str, list[Any]] = {}  # items, sum and sum of squares of a symbol, less its first price
    out: list[tuple[float, float | None]] = []
    newest = -1
    for ts, sym, _tid, price, _size in data:
        heappush(waiting, (ts, sym, price))
        if ts > newest:
            newest = ts
            while waiting[0][0] <= ts - LAG_US:
                _roll(*heappop(waiting), windows, period_us, out)
    while waiting:
        _roll(*heappop(waiting), windows, period_us, out)
    return out


def _roll(
    ts: int,
    sym: str,
    price: float,
    windows: dict[str, list[Any]],
    period_us: int,
    out: list[tuple[float, float | None]],
) -> None:
    window = windows.get(sym)
    if window is None:
        window = windows[sym] = [deque(), 0.0, 0.0, price]
    items, total, squares, first = window
    value = price - first
    items.append((ts, value))
    total += value
    squares += value * value
    start = ts - period_us
    while items[0][0] <= start:
        gone = items.popleft()[1]
        total -= gone
        squares -= gone * gone
    window[1] = total
    window[2] = squares
    n = len(items)
    mean = total / n
    out.append((first + mean, sqrt(max(0.0, (squares - mean * total) / (n - 1))) if n > 1 else None))


# ---- W10: as-of join


def is_trade(tick: Tick) -> bool:
    """Return True for a trade: one in six ticks; the others are quotes."""
    return tick.tid % 6 == 0


_MOST_OLD = 32


def w10_loop(data: list[Tick]) -> list[tuple[Tick, Tick | None]]:
    """Return each trade with the last quote of its symbol before it, in order of event time."""
    trades: list[Tick] = []
    quotes: dict[str, list[Tick]] = {}  # of a symbol, in order of event time
    out: list[tuple[Tick, Tick | None]] = []
    last_trade = last_quote = -1
    for tick in data:
        ts, sym, tid = tick[0], tick[1], tick[2]
        if tid % 6 == 0:
            heappush(trades, tick)
            if ts > last_trade:
                last_trade = ts
        else:
            of_symbol = quotes.get(sym)
            if of_symbol is None:
                quotes[sym] = [tick]
            elif of_symbol[-1][0] < ts:
                of_symbol.append(tick)
            else:
                of_symbol.insert(bisect_left(of_symbol, tick), tick)
            if ts <= last_quote:
                continue
            last_quote = ts
        mark = (last_trade if last_trade < last_quote else last_quote) - LAG_US
        while trades and trades[0][0] <= mark:
            _join(heappop(trades), quotes, out)
    while trades:
        _join(heappop(trades), quotes, out)
    return out


def _join(trade: Tick, quotes: dict[str, list[Tick]], out: list[tuple[Tick, Tick | None]]) -> None:
    of_symbol = quotes.get(trade[1], [])
    at = bisect_left(of_symbol, (trade[0],))  # type: ignore[arg-type]  # a tuple as a tick is
    out.append((trade, of_symbol[at - 1] if at else None))
    if at > _MOST_OLD:
        del of_symbol[: at - 1]
