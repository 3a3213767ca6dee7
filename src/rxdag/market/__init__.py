"""Operators for markets, built from the general ones.

Public.
"""

from rxdag.contract import iso_utc, remember
from rxdag.market._activity_bars import dollar_bars, range_bars, tick_bars, volume_bars
from rxdag.market._bar import BAR_COLUMNS, Bar, as_bar, is_valid
from rxdag.market._book import BookTop, book_top
from rxdag.market._close_sessions import close_sessions
from rxdag.market._corrected_bars import Correction, RevisedBar
from rxdag.market._flow import imbalance, twap
from rxdag.market._quotes import microprice, mid, spread, tick_rule
from rxdag.market._resample import resample_ohlc
from rxdag.market._rollup import rollup
from rxdag.market._session import Session
from rxdag.market._silent_feeds import Silence, silent_feeds
from rxdag.market._trade_bars import by_venue, trade_bars
from rxdag.sources import Quote, Trade

__all__ = [
    "BAR_COLUMNS",
    "Bar",
    "BookTop",
    "Correction",
    "Quote",
    "RevisedBar",
    "Session",
    "Silence",
    "Trade",
    "as_bar",
    "book_top",
    "by_venue",
    "close_sessions",
    "dollar_bars",
    "imbalance",
    "is_valid",
    "iso_utc",
    "microprice",
    "mid",
    "range_bars",
    "resample_ohlc",
    "rollup",
    "silent_feeds",
    "spread",
    "tick_bars",
    "tick_rule",
    "trade_bars",
    "twap",
    "volume_bars",
]

remember(
    globals(),
    (
        "book_top",
        "close_sessions",
        "dollar_bars",
        "range_bars",
        "silent_feeds",
        "tick_bars",
        "tick_rule",
        "volume_bars",
    ),
    "op",
)
remember(globals(), ("imbalance", "twap"), "aggregate")
