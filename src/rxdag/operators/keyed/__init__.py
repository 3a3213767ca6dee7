"""Operators that carry state from item to item, by key on a keyed stream."""

from rxdag.operators.keyed._arbitrate import Gap, arbitrate
from rxdag.operators.keyed._batches import batch
from rxdag.operators.keyed._dedupe import dedupe
from rxdag.operators.keyed._folds import count, max, min, sum
from rxdag.operators.keyed._keyed import key_by
from rxdag.operators.keyed._neighbours import default_if_empty, distinct_until_changed, pairwise
from rxdag.operators.keyed._positions import first, last, skip, skip_while, take, take_while
from rxdag.operators.keyed._process import process
from rxdag.operators.keyed._running import fold, reduce, scan
from rxdag.operators.keyed._top import top_n

__all__ = [
    "Gap",
    "arbitrate",
    "batch",
    "count",
    "dedupe",
    "default_if_empty",
    "distinct_until_changed",
    "first",
    "fold",
    "key_by",
    "last",
    "max",
    "min",
    "pairwise",
    "process",
    "reduce",
    "scan",
    "skip",
    "skip_while",
    "sum",
    "take",
    "take_while",
    "top_n",
]
