"""Operators that carry state from item to item, by key on a keyed stream.

Internal: not part of the API; may change in any release.
"""

from rxdag.operators.keyed._arbitrate import Gap, arbitrate
from rxdag.operators.keyed._batch import batch
from rxdag.operators.keyed._dedupe import dedupe
from rxdag.operators.keyed._default_if_empty import default_if_empty
from rxdag.operators.keyed._distinct_until_changed import distinct_until_changed
from rxdag.operators.keyed._first import first
from rxdag.operators.keyed._keyed import key_by
from rxdag.operators.keyed._last import last
from rxdag.operators.keyed._pairwise import pairwise
from rxdag.operators.keyed._process import process
from rxdag.operators.keyed._reduce import reduce
from rxdag.operators.keyed._scan import scan
from rxdag.operators.keyed._skip import skip
from rxdag.operators.keyed._skip_while import skip_while
from rxdag.operators.keyed._take import take
from rxdag.operators.keyed._take_while import take_while
from rxdag.operators.keyed._top_n import top_n
from rxdag.operators.keyed._totals import count, max, min, sum
from rxdag.operators.keyed._unkey import unkey

__all__ = [
    "Gap",
    "arbitrate",
    "batch",
    "count",
    "dedupe",
    "default_if_empty",
    "distinct_until_changed",
    "first",
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
    "unkey",
]
