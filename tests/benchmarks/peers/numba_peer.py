"""numba: the plain loops over arrays, compiled before the clock starts; runs in an environment that has numba."""

import numpy as np
from numba import njit
from numba.core import types
from numba.typed import Dict

from tests.benchmarks import loops
from tests.benchmarks.data import ints, repeated, symbols, ticks
from tests.benchmarks.peers.running import Entry, tell

SIZE_US, LAG_US, WITHIN_US = loops.SIZE_US, loops.LAG_US, loops.WITHIN_US
NAMES = symbols(100)
OPEN = 8
"""Windows that may be open at one time."""


def arrays(rows):
    """Return the ticks as arrays, symbols by number."""
    codes = {name: i for i, name in enumerate(NAMES)}
    ts, sym, tid, price, size = zip(*rows, strict=True)
    return np.array(ts), np.array([codes[s] for s in sym]), np.array(tid), np.array(price), np.array(size)


@njit
def w1(data):
    total = 0
    for x in data:
        y = x * 2
        if y % 3 == 0:
            total += y + 1
    return total


@njit
def closed(starts, values, counts, end, out):
    """Give out the window that ends there; returns when the next one ends."""
    start = end - SIZE_US
    place = start // SIZE_US % OPEN
    for key in range(counts.shape[1]):
        if counts[place, key]:
            b = values[place, key]
            out.append((key, start, b[0], b[1], b[2], b[3], b[4]))
            counts[place, key] = 0
    starts[place] = -1
    least = 1 << 62
    for other in starts:
        if other >= 0:
            least = min(least, other + SIZE_US)
    return least


@njit
def bars(ts, sym, price, size, keys):
    starts = np.full(OPEN, -1)
    values = np.zeros((OPEN, keys, 5))
    times = np.zeros((OPEN, keys, 2), np.int64)
    counts = np.zeros((OPEN, keys), np.int64)
    out = [(sym[0], ts[0], 0.0, 0.0, 0.0, 0.0, 0.0) for _ in range(0)]  # its type
    newest, close_at = -1, 1 << 62
    for i in range(len(ts)):
        at, key, p = ts[i], sym[i], price[i]
        if at > newest:
            newest = at
            while newest - LAG_US >= close_at:
                close_at = closed(starts, values, counts, close_at, out)
        start = at - at % SIZE_US
        place = start // SIZE_US % OPEN
        if starts[place] != start:
            starts[place] = start
            close_at = min(close_at, start + SIZE_US)
        if counts[place, key] == 0:
            values[place, key, :4] = p
            values[place, key, 4] = size[i]
            times[place, key, :] = at
        else:
            b = values[place, key]
            if p > b[1]:
                b[1] = p
            elif p < b[2]:
                b[2] = p
            if at >= times[place, key, 1]:
                b[3] = p
                times[place, key, 1] = at
            elif at < times[place, key, 0]:
                b[0] = p
                times[place, key, 0] = at
            b[4] += size[i]
        counts[place, key] += 1
    while close_at < 1 << 61:
        close_at = closed(starts, values, counts, close_at, out)
    return out


def w2(given):
    ts, sym, _tid, price, size = given
    return [(NAMES[key], *bar) for key, *bar in bars(ts, sym, price, size, len(NAMES))]


@njit
def shares(ts, sym, tid, price, size):
    here = Dict.empty(types.int64, types.int64)
    before = Dict.empty(types.int64, types.int64)
    turn_at = ts[0] + WITHIN_US + LAG_US
    n = np.zeros(3, np.int64)
    total = np.zeros(3)
    for i in range(len(ts)):
        at, key = ts[i], tid[i] * 100 + sym[i]
        if at >= turn_at:  # nothing comes any more that is less than WITHIN_US behind what was here before
            turn_at = at + WITHIN_US + LAG_US
            before = here
            here = Dict.empty(types.int64, types.int64)
        if key in here and at - here[key] < WITHIN_US:
            continue
        if key in before and at - before[key] < WITHIN_US:
            continue
        here[key] = at
        if sym[i] < 33:
            n[0] += 1
            total[0] += price[i] * size[i]
        elif sym[i] < 66:
            if size[i] > 2:
                n[1] += 1
                total[1] += price[i]
        else:
            n[2] += 1
            total[2] += size[i]
    return n, total


def w3(given):
    n, total = shares(*given)
    return (*n.tolist(), *total.tolist())


ENTRIES = (
    Entry("W1 numba", ints, loops.w1_loop, w1, np.array),
    Entry("W2 numba", ticks, loops.w2_loop, w2, arrays),
    Entry("W3 numba", repeated, loops.w3_loop, w3, arrays),
)

if __name__ == "__main__":
    tell(ENTRIES)
