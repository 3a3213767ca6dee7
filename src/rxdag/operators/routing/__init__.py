"""Operators that split a stream.

Internal: not part of the API; may change in any release.
"""

from rxdag.operators.routing._partition import partition, route_by
from rxdag.operators.routing._routing import route, split
from rxdag.operators.routing._shard import shard

__all__ = [
    "partition",
    "route",
    "route_by",
    "shard",
    "split",
]
