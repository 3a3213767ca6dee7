"""Aggregates for windows; a field is a name, `col.<name>` or a function.

Public.
"""

from typing import TYPE_CHECKING

from rxdag.aggregates._bars import ohlcv
from rxdag.aggregates._compound import collect, named
from rxdag.aggregates._folded import fold, reduce
from rxdag.aggregates._moments import mean, std, var
from rxdag.aggregates._numeric import count, sum, vwap
from rxdag.aggregates._ohlcv import Ohlcv
from rxdag.aggregates._picked import first, last, max, min
from rxdag.aggregates._sketches import count_distinct, quantile
from rxdag.contract import Accumulator, Aggregate, remember, unknown_name

__all__ = [
    "Accumulator",
    "Aggregate",
    "Ohlcv",
    "collect",
    "count",
    "count_distinct",
    "first",
    "fold",
    "last",
    "max",
    "mean",
    "min",
    "named",
    "ohlcv",
    "quantile",
    "reduce",
    "std",
    "sum",
    "var",
    "vwap",
]

remember(globals(), __all__, "aggregate")

if not TYPE_CHECKING:  # a type checker that saw __getattr__ would accept every misspelt name

    def __getattr__(name: str) -> object:
        raise unknown_name(__name__, name)
