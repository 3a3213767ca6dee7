"""Operators: `from rxdag import operators as ops`, one per `pipe` call."""

from rxdag.contract import Emit, Kernel, KeyBy, Operator, RouteOp, Unkeyed, WindowOp
from rxdag.operators._batch import map_batch
from rxdag.operators._dedupe import dedupe
from rxdag.operators._elementwise import explode, filter, map, scan, take, tap
from rxdag.operators._event_time import event_time
from rxdag.operators._fields import select, with_columns
from rxdag.operators._keyed import key_by
from rxdag.operators._routing import merge, route
from rxdag.operators._window import window

__all__ = [
    "Emit",
    "Kernel",
    "KeyBy",
    "Operator",
    "RouteOp",
    "Unkeyed",
    "WindowOp",
    "dedupe",
    "event_time",
    "explode",
    "filter",
    "key_by",
    "map",
    "map_batch",
    "merge",
    "route",
    "scan",
    "select",
    "take",
    "tap",
    "window",
    "with_columns",
]
