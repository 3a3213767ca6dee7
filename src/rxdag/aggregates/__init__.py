"""What a window computes; a field is a name, `col.<name>` or a function."""

from rxdag.aggregates._compound import collect, named
from rxdag.aggregates._numeric import count, sum, vwap
from rxdag.aggregates._ohlcv import Ohlcv, ohlcv
from rxdag.contract import Accumulator, Aggregate

__all__ = ["Accumulator", "Aggregate", "Ohlcv", "collect", "count", "named", "ohlcv", "sum", "vwap"]
