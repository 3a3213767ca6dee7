"""The plain loops of W7, W8 and W14: sessions, sliding windows, 100 ways; nothing but Python, for peers too."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import Any

from tests.benchmarks.data import Tick, symbols
from tests.benchmarks.loops import LAG_US

# ---- W7: sessions

GAP_US = 50_000


def w7_loop(data: list[Tick]) -> list[Any]:
    """Count the items of each session of each symbol: (symbol, first, last, count)."""
    live: dict[str, list[list[int]]] = {}  # [first, last, count] of the open sessions of a symbol, in order of time
    ends: list[tuple[int, str]] = []  # when to look at a symbol that has any
    out: list[Any] = []
    newest = -1
    for ts, sym, _tid, _price, _size in data:
        sessions = live.get(sym)
        if not sessions:
            live[sym] = [[ts, ts, 1]]
            heappush(ends, (ts + GAP_US, sym))
        else:
            i = len(sessions) - 1
            while i >= 0 and ts < sessions[i][0] - GAP_US:
                i -= 1
            session = sessions[i]
            if i < 0 or ts > session[1] + GAP_US:
                sessions.insert(i + 1, [ts, ts, 1])
            else:
                session[2] += 1
                if ts > session[1]:
                    session[1] = ts
                elif ts < session[0]:
                    session[0] = ts
                    if i and ts <= sessions[i - 1][1] + GAP_US:
                        before = sessions[i - 1]
                        before[1] = session[1]
                        before[2] += session[2]
                        del sessions[i]
        if ts > newest:
            newest = ts
            while ends and ends[0][0] <= ts - LAG_US:
                key = heappop(ends)[1]
                sessions = live[key]
                while sessions and sessions[0][1] + GAP_US <= ts - LAG_US:
                    out.append((key, *sessions.pop(0)))
                if sessions:
                    heappush(ends, (sessions[0][1] + GAP_US, key))
    for key, sessions in live.items():
        out += [(key, *session) for session in sessions]
    return out


# ---- W8: sliding windows

LONG_US, SLIDE_US = 10_000_000, 1_000_000


def w8_loop(data: list[Tick]) -> list[Any]:
    """Sum the sizes of each symbol over 10 s, every second: (symbol, start, sum)."""
    slices: dict[int, dict[str, float]] = {}  # each item is added once; a window is the sum of its slices
    out: list[Any] = []
    newest, close_at = -1, 1 << 62
    low = high = 0
    sums: dict[str, float] = {}
    for ts, sym, _tid, _price, size in data:
        if ts > newest:
            newest = ts
            while ts - LAG_US >= close_at:
                _close(slices, close_at, out)
                close_at = close_at + SLIDE_US if slices else 1 << 62
                low = high = 0
        if not low <= ts < high:
            low = ts - ts % SLIDE_US
            high = low + SLIDE_US
            if low in slices:
                sums = slices[low]
            else:
                sums = slices[low] = {}
                close_at = min(close_at, high)
        if sym in sums:
            sums[sym] += size
        else:
            sums[sym] = size
    while slices:
        _close(slices, close_at, out)
        close_at += SLIDE_US
    return out


def _close(slices: dict[int, dict[str, float]], end: int, out: list[Any]) -> None:
    """Give out the window that ends there, and forget its first slice."""
    totals: dict[str, float] = {}
    for start in range(end - LONG_US, end, SLIDE_US):
        for sym, size in slices.get(start, {}).items():
            totals[sym] = totals.get(sym, 0.0) + size
    for sym in sorted(totals):
        out.append((sym, end - LONG_US, totals[sym]))
    slices.pop(end - LONG_US, None)


# ---- W14: 100 ways


def w14_loop(data: list[Tick]) -> list[list[Tick]]:
    """Give the ticks of each symbol a list of their own."""
    lists: dict[str, list[Tick]] = {sym: [] for sym in symbols(100)}
    ways = {sym: ticks.append for sym, ticks in lists.items()}
    for tick in data:
        ways[tick.sym](tick)
    return list(lists.values())
