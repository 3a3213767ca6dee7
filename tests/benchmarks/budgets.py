"""What each figure may be: the goal of the compiled form, and a ceiling for the plain one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Budget:
    """The most that a figure may be, by the form in which rxdag runs."""

    compiled: float
    plain: float

    def of(self, form: str) -> float:
        """Return the most of a form, "compiled" or "plain"."""
        return self.compiled if form == "compiled" else self.plain


W1_EXPRESSIONS = Budget(1.1, 2)
W1_LAMBDAS = Budget(1.2, 2)
W1_CALLED = Budget(3.5, 12)
W2_ROWS = Budget(0.7, 3)
W2_OWN = Budget(1.5, 5)
W3_ROWS = Budget(1.1, 3)
WINDOWS = Budget(1.6, 5.5)
ROLLING = Budget(1.5, 12)
ASOF = Budget(2, 8)
COLUMNS_W10_OVER_POLARS = Budget(2, 2)
ONE_BY_ONE = Budget(3, 8)
ONE_BY_ONE_GATE = Budget(4, 11)
ROUTE_100 = Budget(3, 11)
BOOK_TOP = Budget(1.5, 12)
LARGE_STATE = Budget(1.5, 5.5)
WEBSOCKET = Budget(1.3, 2)

COLUMNS_W1_OVER_NUMPY = Budget(0.7, 0.7)
COLUMNS_W2_OVER_POLARS = Budget(0.8, 0.8)
COLUMNS_W2_SPARSE_OVER_POLARS = Budget(1.2, 1.2)
COLUMNS_W3_OVER_LOOP = Budget(0.4, 0.4)

CSV_OVER_LOOP = Budget(0.8, 0.8)
CSV_OVER_POLARS = Budget(3, 3)
PARQUET_OVER_LOOP = Budget(0.8, 0.8)
PARQUET_OVER_POLARS = Budget(2, 2)

HAND_OVER_US = {
    ("same thread", 10_000): Budget(2, 4),
    ("same thread", 100_000): Budget(2, 4),
    ("thread hop", 10_000): Budget(25, 30),
    ("asyncio", 10_000): Budget(10, 30),
}
"""p50 from hand-over to sink, us, through map, filter and map."""

RSS_MB = 5
"""W5: how much a process may grow."""
BYTES_PER_KEY = 300
CHECKPOINTED = 1.03
"""CPU time of W2 with a checkpoint a second, over that without."""
PAUSE_MS = {100_000: Budget(50, 120)}
"""Median pause of a checkpoint, ms, by number of keys with an open bar."""
CHECKPOINT_GROWTH = 1.5
"""Growth of a process during a checkpoint, over the size of its state."""
SCRAPED = 0.01
"""Share of W1's time that a scrape a second may take."""
