"""The plain loops of W1 to W3, inlined, as a good programmer writes them; nothing but Python, for peers too."""

from __future__ import annotations

from typing import Any

from tests.benchmarks.data import Tick

# ---- W1: map, filter, map, sum


def w1_loop(data: list[int]) -> int:
    total = 0
    for x in data:
        y = x * 2
        if y % 3 == 0:
            total += y + 1
    return total


def double(x: int) -> int:
    return x * 2


def is_third(x: int) -> bool:
    return x % 3 == 0


def successor(x: int) -> int:
    return x + 1


def w1_calling(data: list[int]) -> int:
    """The loop that calls a function for each step."""
    total = 0
    for x in data:
        y = double(x)
        if is_third(y):
            total += successor(y)
    return total


# ---- W2: bars

LAG_US, SIZE_US = 500_000, 1_000_000


def w2_loop(data: list[Tick], size_of_window: int = SIZE_US, lag: int = LAG_US) -> list[Any]:
    opened: dict[int, dict[str, list[Any]]] = {}
    out: list[Any] = []
    newest, close_at = -1, 1 << 62
    low = high = 0
    bars: dict[str, list[Any]] = {}
    for ts, sym, _tid, price, size in data:
        if ts > newest:
            newest = ts
            if ts - lag >= close_at:
                for start in sorted(s for s in opened if s + size_of_window <= ts - lag):
                    for key, b in sorted(opened.pop(start).items()):
                        out.append((key, start, b[0], b[1], b[2], b[3], b[4]))
                close_at = min(opened, default=1 << 61) + size_of_window
                low = high = 0
        if not low <= ts < high:
            low = ts - ts % size_of_window
            high = low + size_of_window
            if low in opened:
                bars = opened[low]
            else:
                bars = opened[low] = {}
                close_at = min(close_at, high)
        b = bars.get(sym)
        if b is None:
            bars[sym] = [price, price, price, price, size, ts, ts]
            continue
        if price > b[1]:
            b[1] = price
        elif price < b[2]:
            b[2] = price
        if ts >= b[6]:
            b[3] = price
            b[6] = ts
        elif ts < b[5]:
            b[0] = price
            b[5] = ts
        b[4] += size
    for start in sorted(opened):
        for key, b in sorted(opened[start].items()):
            out.append((key, start, b[0], b[1], b[2], b[3], b[4]))
    return out


def w2_ns_loop(data: list[Tick]) -> list[Any]:
    """W2 of times in nanoseconds."""
    return w2_loop(data, SIZE_US * 1000, LAG_US * 1000)


# ---- W3: dedupe, route, merge, count and sum

WITHIN_US = 5_000_000


def w3_loop(data: list[Tick]) -> tuple[Any, ...]:
    spans: dict[int, dict[tuple[str, int], int]] = {}  # what has passed, by span of time: forgotten as a whole
    n_a = n_b = n_c = 0
    total_a = total_b = total_c = 0.0
    newest, forget_at = -1, 1 << 62
    low = high = 0
    here: dict[tuple[str, int], int] = {}
    before: dict[tuple[str, int], int] = {}
    behind: dict[tuple[str, int], int] = {}
    for ts, sym, tid, price, size in data:
        if ts > newest:
            newest = ts
            if ts - LAG_US >= forget_at:
                for span in [s for s in spans if s + 2 * WITHIN_US <= ts - LAG_US]:
                    del spans[span]
                forget_at = min(spans, default=1 << 61) + 2 * WITHIN_US
                low = high = 0
        if not low <= ts < high:
            low = ts - ts % WITHIN_US
            high = low + WITHIN_US
            if low not in spans:
                spans[low] = {}
                forget_at = min(forget_at, low + 2 * WITHIN_US)
            here = spans[low]
            before = spans.get(low - WITHIN_US, {})
            behind = spans.get(high, {})
        key = (sym, tid)
        if key in here or (behind and key in behind):
            continue  # in one span, or in a later one: less than WITHIN_US apart
        seen = before.get(key)
        if seen is not None and ts - seen < WITHIN_US:
            continue
        here[key] = ts
        if sym < "S33":
            n_a += 1
            total_a += price * size
        elif sym < "S66":
            if size > 2:
                n_b += 1
                total_b += price
        else:
            n_c += 1
            total_c += size
    return n_a, n_b, n_c, total_a, total_b, total_c
