"""Operators: `from rxdag import operators as ops`, one per `pipe` call."""

from rxdag.contract import (
    Emit,
    Kernel,
    KeyBy,
    KeyedProcess,
    Operator,
    ProcessContext,
    RouteOp,
    Unkeyed,
    WindowOp,
    remember,
)
from rxdag.operators._arbitrate import Gap, arbitrate
from rxdag.operators._batches import batch
from rxdag.operators._calls import map_async
from rxdag.operators._combine import combine_latest, with_latest_from, zip
from rxdag.operators._conflate import conflate
from rxdag.operators._dedupe import dedupe
from rxdag.operators._elementwise import explode, filter, map, tap
from rxdag.operators._event_time import event_time
from rxdag.operators._fields import select, with_columns
from rxdag.operators._folds import count, max, min, sum
from rxdag.operators._in_turn import catch, concat
from rxdag.operators._inner import concat_map, flat_map, switch_map
from rxdag.operators._join_asof import join_asof
from rxdag.operators._join_time import join_interval, join_window
from rxdag.operators._keyed import key_by
from rxdag.operators._lookup import lookup
from rxdag.operators._map_batch import map_batch
from rxdag.operators._marked import Timestamped, start_with, timestamp
from rxdag.operators._merge import merge, merge_sorted
from rxdag.operators._neighbours import default_if_empty, distinct_until_changed, pairwise
from rxdag.operators._paced import delay
from rxdag.operators._partition import partition, route_by
from rxdag.operators._partitioned import partitioned
from rxdag.operators._positions import first, last, skip, skip_while, take, take_while
from rxdag.operators._process import process
from rxdag.operators._rolling import rolling
from rxdag.operators._routing import route, split
from rxdag.operators._running import fold, reduce, scan
from rxdag.operators._throttle import throttle
from rxdag.operators._top import top_n
from rxdag.operators._until import skip_until, take_until
from rxdag.operators._waiting import audit, debounce, sample, throttle_first, timeout
from rxdag.operators._window import window, window_all

__all__ = [
    "Emit",
    "Gap",
    "Kernel",
    "KeyBy",
    "KeyedProcess",
    "Operator",
    "ProcessContext",
    "RouteOp",
    "Timestamped",
    "Unkeyed",
    "WindowOp",
    "arbitrate",
    "audit",
    "batch",
    "catch",
    "combine_latest",
    "concat",
    "concat_map",
    "conflate",
    "count",
    "debounce",
    "dedupe",
    "default_if_empty",
    "delay",
    "distinct_until_changed",
    "event_time",
    "explode",
    "filter",
    "first",
    "flat_map",
    "fold",
    "join_asof",
    "join_interval",
    "join_window",
    "key_by",
    "last",
    "lookup",
    "map",
    "map_async",
    "map_batch",
    "max",
    "merge",
    "merge_sorted",
    "min",
    "pairwise",
    "partition",
    "partitioned",
    "process",
    "reduce",
    "rolling",
    "route",
    "route_by",
    "sample",
    "scan",
    "select",
    "skip",
    "skip_until",
    "skip_while",
    "split",
    "start_with",
    "sum",
    "switch_map",
    "take",
    "take_until",
    "take_while",
    "tap",
    "throttle",
    "throttle_first",
    "timeout",
    "timestamp",
    "top_n",
    "window",
    "window_all",
    "with_columns",
    "with_latest_from",
    "zip",
]

remember(globals(), __all__, "op")
