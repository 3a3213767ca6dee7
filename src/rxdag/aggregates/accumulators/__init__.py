"""Accumulators: the state of one pane. These modules are compiled, yet values of users keep their types.

Internal: not part of the API; may change in any release.
"""

from rxdag.aggregates.accumulators._bar import Bar, bars
from rxdag.aggregates.accumulators._folds import Folded, Reduced
from rxdag.aggregates.accumulators._moments import Mean, Spread
from rxdag.aggregates.accumulators._parts import Collected, Named, NamedInto, NamedParts
from rxdag.aggregates.accumulators._picks import First, Last, Max, Min
from rxdag.aggregates.accumulators._totals import Count, Sum, Vwap, priced, turnover_of, vwap_within

__all__ = [
    "Bar",
    "Collected",
    "Count",
    "First",
    "Folded",
    "Last",
    "Max",
    "Mean",
    "Min",
    "Named",
    "NamedInto",
    "NamedParts",
    "Reduced",
    "Spread",
    "Sum",
    "Vwap",
    "bars",
    "priced",
    "turnover_of",
    "vwap_within",
]
