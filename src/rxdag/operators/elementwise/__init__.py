"""Operators that look at one item at a time."""

from rxdag.operators.elementwise._elementwise import explode, filter, map, tap
from rxdag.operators.elementwise._fields import select, with_columns
from rxdag.operators.elementwise._map_batch import map_batch
from rxdag.operators.elementwise._marked import Timestamped, start_with, timestamp

__all__ = [
    "Timestamped",
    "explode",
    "filter",
    "map",
    "map_batch",
    "select",
    "start_with",
    "tap",
    "timestamp",
    "with_columns",
]
