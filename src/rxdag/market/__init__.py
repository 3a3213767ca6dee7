"""What only markets need, written with the operators."""

from rxdag.market._resample import resample_ohlc
from rxdag.market._rollup import rollup
from rxdag.market._trade_bars import BAR_COLUMNS, Bar, as_bar, by_venue, is_valid, iso_utc, trade_bars
from rxdag.sources import Trade

__all__ = [
    "BAR_COLUMNS",
    "Bar",
    "Trade",
    "as_bar",
    "by_venue",
    "is_valid",
    "iso_utc",
    "resample_ohlc",
    "rollup",
    "trade_bars",
]
