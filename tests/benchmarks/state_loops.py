"""The messages of W13, and the plain loops of W13 and W15: order books, and state of many keys; nothing but Python."""

from __future__ import annotations

import random
from bisect import bisect_left, insort
from typing import Any, NamedTuple

from tests.benchmarks.data import Tick, symbols, ticks
from tests.benchmarks.loops import LAG_US

# ---- W13: the top of each book

DEPTH = 50
"""Levels of a side; most changes are near the best."""


class Change(NamedTuple):
    """A snapshot of an order book, or a change of it; levels are prices and sizes, and size 0 removes one."""

    sym: str
    is_snapshot: bool
    number: int
    bids: list[tuple[float, float]]
    asks: list[tuple[float, float]]


def changes(n: int, *, books: int = 10, seed: int = 13) -> list[Change]:
    """Make a snapshot of each book, then changes of one level a side in any order of books."""
    rng = random.Random(seed)
    names = symbols(books)
    numbers = dict.fromkeys(names, 0)
    steps = range(1, DEPTH + 1)

    def level(side: int) -> tuple[float, float]:
        step = min(DEPTH, 1 + int(rng.expovariate(0.2)))
        return (10_000 + side * step) / 100, float(rng.randrange(1, 10)) if rng.random() < 0.7 else 0.0

    made = [
        Change(sym, True, 0, [((10_000 - i) / 100, 1.0) for i in steps], [((10_000 + i) / 100, 1.0) for i in steps])
        for sym in names[:n]
    ]
    while len(made) < n:
        sym = names[rng.randrange(books)]
        numbers[sym] += 1
        made.append(Change(sym, False, numbers[sym], [level(-1)], [level(1)]))
    return made


def w13_loop(data: list[Change]) -> list[Any]:
    """Give (bid, size, ask, size, number) after each message."""
    books: dict[str, list[Any]] = {}  # sizes by price, and the prices in order, of each side; the last number
    out: list[Any] = []
    for sym, is_snapshot, number, bids, asks in data:
        if is_snapshot:
            books[sym] = [{}, [], {}, [], number - 1]
        book = books[sym]
        bid_sizes, bid_prices, ask_sizes, ask_prices, last = book
        if number != last + 1:
            raise ValueError(f"{sym}: got {number} after {last}")
        book[4] = number
        for price, size in bids:
            if not size:
                if bid_sizes.pop(price, None) is not None:
                    del bid_prices[bisect_left(bid_prices, price)]
            else:
                if price not in bid_sizes:
                    insort(bid_prices, price)
                bid_sizes[price] = size
        for price, size in asks:
            if not size:
                if ask_sizes.pop(price, None) is not None:
                    del ask_prices[bisect_left(ask_prices, price)]
            else:
                if price not in ask_sizes:
                    insort(ask_prices, price)
                ask_sizes[price] = size
        bid = bid_prices[-1] if bid_prices else None
        ask = ask_prices[0] if ask_prices else None
        out.append((bid, bid_sizes.get(bid, 0.0), ask, ask_sizes.get(ask, 0.0), number))
    return out


# ---- W15: dedupe, and windows, of many keys

REMEMBERED_US, MINUTE_US = 600_000_000, 60_000_000


def many_symbols(n: int) -> list[Tick]:
    """Make ticks of 300,000 symbols."""
    return ticks(n, syms=300_000)


def w15_dedupe_loop(data: list[Tick]) -> list[Tick]:
    """Give the ticks whose id has not come within 10 minutes."""
    spans: dict[int, dict[int, int]] = {}  # what has passed, by span of time: forgotten as a whole
    out: list[Tick] = []
    newest, forget_at = -1, 1 << 62
    low = high = 0
    here: dict[int, int] = {}
    before: dict[int, int] = {}
    behind: dict[int, int] = {}
    for tick in data:
        ts = tick.ts
        if ts > newest:
            newest = ts
            if ts - LAG_US >= forget_at:
                for span in [s for s in spans if s + 2 * REMEMBERED_US <= ts - LAG_US]:
                    del spans[span]
                forget_at = min(spans, default=1 << 61) + 2 * REMEMBERED_US
                low = high = 0
        if not low <= ts < high:
            low = ts - ts % REMEMBERED_US
            high = low + REMEMBERED_US
            here = spans.setdefault(low, {})
            forget_at = min(forget_at, low + 2 * REMEMBERED_US)
            before = spans.get(low - REMEMBERED_US, {})
            behind = spans.get(high, {})
        tid = tick.tid
        if tid in here or (behind and tid in behind):
            continue
        seen = before.get(tid)
        if seen is not None and ts - seen < REMEMBERED_US:
            continue
        here[tid] = ts
        out.append(tick)
    return out


def w15_windows_loop(data: list[Tick]) -> list[Any]:
    """Sum the sizes of each symbol, minute by minute: (symbol, start, sum)."""
    opened: dict[int, dict[str, float]] = {}
    out: list[Any] = []
    newest, close_at = -1, 1 << 62
    low = high = 0
    sums: dict[str, float] = {}
    for ts, sym, _tid, _price, size in data:
        if ts > newest:
            newest = ts
            if ts - LAG_US >= close_at:
                for start in sorted(s for s in opened if s + MINUTE_US <= ts - LAG_US):
                    out += [(key, start, total) for key, total in sorted(opened.pop(start).items())]
                close_at = min(opened, default=1 << 61) + MINUTE_US
                low = high = 0
        if not low <= ts < high:
            low = ts - ts % MINUTE_US
            high = low + MINUTE_US
            sums = opened.setdefault(low, {})
            close_at = min(close_at, high)
        if sym in sums:
            sums[sym] += size
        else:
            sums[sym] = size
    for start in sorted(opened):
        out += [(key, start, total) for key, total in sorted(opened[start].items())]
    return out
