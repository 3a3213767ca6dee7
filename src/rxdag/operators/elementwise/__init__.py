"""Operators that process one item at a time, and those that another stream opens or closes.

Internal: not part of the API; may change in any release.
"""

from rxdag.operators.elementwise._elementwise import explode, filter, map, tap
from rxdag.operators.elementwise._fields import select, with_columns
from rxdag.operators.elementwise._map_batch import map_batch
from rxdag.operators.elementwise._start_with import start_with
from rxdag.operators.elementwise._take_until import skip_until, take_until
from rxdag.operators.elementwise._timestamp import Timestamped, timestamp

__all__ = [
    "Timestamped",
    "explode",
    "filter",
    "map",
    "map_batch",
    "select",
    "skip_until",
    "start_with",
    "take_until",
    "tap",
    "timestamp",
    "with_columns",
]
