"""Operators that await coroutines or read inner streams.

Internal: not part of the API; may change in any release.
"""

from rxdag.operators.asynchronous._inner import concat_map, flat_map, switch_map
from rxdag.operators.asynchronous._lookup import lookup
from rxdag.operators.asynchronous._map_async import map_async

__all__ = [
    "concat_map",
    "flat_map",
    "lookup",
    "map_async",
    "switch_map",
]
