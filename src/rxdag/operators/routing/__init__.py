"""Operators that split a stream."""

from rxdag.operators.routing._partition import partition, route_by
from rxdag.operators.routing._partitioned import partitioned
from rxdag.operators.routing._routing import route, split

__all__ = [
    "partition",
    "partitioned",
    "route",
    "route_by",
    "split",
]
