"""What the workloads work on, made from a seed; nothing but Python, so that every peer can have the same.

Items are made in the order in which they arrive, as those of a feed are: made in another order and sorted, they
would lie across memory, and whoever reads them would be measured waiting for it.
"""

from __future__ import annotations

import random
from typing import NamedTuple

BEGAN_US = 1_723_161_250_400_000
"""First event time, microseconds since the epoch, within a second: times of a real feed are large numbers."""
FIRST_ID = 3_740_000_000
DISORDER_US = 200_000
"""An item arrives so long after its event time at most."""


class Tick(NamedTuple):
    """A trade; `ts` is in microseconds, in `ticks_ns` in nanoseconds."""

    ts: int
    sym: str
    tid: int
    price: float
    size: float


def ints(n: int) -> list[int]:
    """Return 0 to n - 1."""
    return list(range(n))


def symbols(n: int) -> list[str]:
    """Return the names of n symbols, in order."""
    return [f"S{i:02d}" for i in range(n)]


def ticks(n: int, *, rate: int = 10_000, syms: int = 100, unit: int = 1, seed: int = 1) -> list[Tick]:
    """Make ticks that are up to 200 ms out of order, in order of arrival.

    Args:
        n: How many.
        rate: Ticks a second of event time.
        syms: Number of symbols.
        unit: By what times in microseconds are multiplied: 1,000 for nanoseconds.
        seed: Of all that is random.
    """
    rng = random.Random(seed)
    names = symbols(syms)
    arrivals = sorted((i * 1_000_000 // rate + rng.randrange(DISORDER_US), i) for i in range(n))
    return [
        Tick(
            (BEGAN_US + i * 1_000_000 // rate) * unit,
            names[rng.randrange(syms)],
            FIRST_ID + i,
            100 + rng.random(),
            float(rng.randrange(1, 10)),
        )
        for _, i in arrivals
    ]


def ticks_ns(n: int) -> list[Tick]:
    """Make the ticks of `ticks(n)`, their times in nanoseconds."""
    return ticks(n, unit=1_000)


def ticks_sparse(n: int) -> list[Tick]:
    """Make 1,000 ticks/s of 100 symbols."""
    return ticks(n, rate=1_000)


def ticks_sparsest(n: int) -> list[Tick]:
    """Make 160 ticks/s of 100 symbols: a bar has two ticks or one."""
    return ticks(n, rate=160)


def ticks_of_ten(n: int) -> list[Tick]:
    """Make 1,000 ticks/s of 10 symbols: 100 of each in a second, and 6,000 in a minute."""
    return ticks(n, rate=1_000, syms=10)


def ticks_captured(n: int) -> list[Tick]:
    """Make 160 ticks/s of 6 symbols, as a capture of real feeds has."""
    return ticks(n, rate=160, syms=6)


def repeated(n: int, seed: int = 2) -> list[Tick]:
    """Make W2's ticks, a tenth of them again 0 to 8 s later, in order of arrival."""
    rng = random.Random(seed)
    originals = int(n / 1.1)
    names = symbols(100)
    fields = [
        (i * 100, names[rng.randrange(100)], 100 + rng.random(), float(rng.randrange(1, 10))) for i in range(originals)
    ]
    arrivals = [(at + rng.randrange(DISORDER_US), i, 0) for i, (at, *_) in enumerate(fields)]
    for arrival, i, _ in arrivals[:originals]:
        if rng.random() < 0.1:
            late = rng.randrange(8_000_000)
            arrivals.append((arrival + late, i, late))
    arrivals.sort()
    made: list[Tick] = []
    for _, i, late in arrivals[:n]:
        at, sym, price, size = fields[i]
        made.append(Tick(BEGAN_US + at + late, sym, FIRST_ID + i, price + 0.0, size + 0.0))  # floats of its own
    return made
