"""W1 to W3: the data from a seed, and the plain loops; nothing but Python, so that every peer can have the same."""

from __future__ import annotations

import random
from typing import Any, NamedTuple


class Tick(NamedTuple):
    ts_us: int
    sym: str
    tid: int
    price: float
    size: float


# ---- W1


def ints(n: int) -> list[int]:
    return list(range(n))


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
    total = 0
    for x in data:
        y = double(x)
        if is_third(y):
            total += successor(y)
    return total


# ---- W2

LAG_US, SIZE_US = 500_000, 1_000_000


def ticks(n: int, seed: int = 1) -> list[Tick]:
    """10,000 ticks/s of 100 symbols, up to 200 ms out of order, in order of arrival."""
    rng = random.Random(seed)
    made = []
    for i in range(n):
        ts = i * 100
        tick = Tick(ts, f"S{rng.randrange(100):02d}", i, 100 + rng.random(), float(rng.randrange(1, 10)))
        made.append((ts + rng.randrange(200_000), i, tick))
    made.sort()
    return [tick for _, _, tick in made]


def w2_loop(data: list[Tick]) -> list[Any]:
    opened: dict[int, dict[str, list[Any]]] = {}
    out: list[Any] = []
    newest, close_at = -1, 1 << 62
    low = high = 0
    bars: dict[str, list[Any]] = {}
    for ts, sym, _tid, price, size in data:
        if ts > newest:
            newest = ts
            if ts - LAG_US >= close_at:
                for start in sorted(s for s in opened if s + SIZE_US <= ts - LAG_US):
                    for key, b in sorted(opened.pop(start).items()):
                        out.append((key, start, b[0], b[1], b[2], b[3], b[4]))
                close_at = min(opened, default=1 << 61) + SIZE_US
                low = high = 0
        if not low <= ts < high:
            low = ts - ts % SIZE_US
            high = low + SIZE_US
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


# ---- W3

WITHIN_US = 5_000_000


def repeated(n: int, seed: int = 2) -> list[Tick]:
    """W2's ticks, a tenth of them again 0 to 8 s later, in order of arrival."""
    rng = random.Random(seed)
    originals = ticks(int(n / 1.1), seed)
    arrivals = [(t.ts_us, i, t) for i, t in enumerate(originals)]
    for i, t in enumerate(originals):
        if rng.random() < 0.1:
            again = t._replace(ts_us=t.ts_us + rng.randrange(8_000_000))
            arrivals.append((again.ts_us, len(originals) + i, again))
    arrivals.sort()
    return [t for _, _, t in arrivals][:n]


def w3_loop(data: list[Tick]) -> tuple[Any, ...]:
    first: dict[tuple[str, int], int] = {}
    spans: dict[int, list[tuple[str, int]]] = {}
    n, total = [0, 0, 0], [0.0, 0.0, 0.0]
    newest, forget_at = -1, 1 << 62
    low = high = 0
    keys: list[tuple[str, int]] = []
    for ts, sym, tid, price, size in data:
        if ts > newest:
            newest = ts
            if ts - LAG_US >= forget_at:
                for span in sorted(s for s in spans if s + 2 * WITHIN_US <= ts - LAG_US):
                    for key in spans.pop(span):
                        if span <= first.get(key, -1) < span + WITHIN_US:
                            del first[key]
                forget_at = min(spans, default=1 << 61) + 2 * WITHIN_US
                low = high = 0
        key = (sym, tid)
        seen = first.get(key)
        if seen is not None and ts - seen < WITHIN_US:
            continue
        first[key] = ts
        if not low <= ts < high:
            low = ts - ts % WITHIN_US
            high = low + WITHIN_US
            if low in spans:
                keys = spans[low]
            else:
                keys = spans[low] = []
                forget_at = min(forget_at, low + 2 * WITHIN_US)
        keys.append(key)
        if sym < "S33":
            n[0] += 1
            total[0] += price * size
        elif sym < "S66":
            if size > 2:
                n[1] += 1
                total[1] += price
        else:
            n[2] += 1
            total[2] += size
    return (*n, *total)


def in_ns(data: list[Tick]) -> list[Tick]:
    """The same ticks with times in nanoseconds since the epoch, as on a real feed."""
    return [tick._replace(ts_us=tick.ts_us * 1000 + 1_700_000_000_000_000_000) for tick in data]
