"""Operators: `from rxdag import operators as ops`, one per `pipe` call.

Public.
"""

from typing import TYPE_CHECKING

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
    unknown_name,
)
from rxdag.operators.asynchronous import (
    concat_map,
    flat_map,
    lookup,
    map_async,
    switch_map,
)
from rxdag.operators.elementwise import (
    Timestamped,
    explode,
    filter,
    map,
    map_batch,
    select,
    skip_until,
    start_with,
    take_until,
    tap,
    timestamp,
    with_columns,
)
from rxdag.operators.keyed import (
    Gap,
    arbitrate,
    batch,
    count,
    dedupe,
    default_if_empty,
    distinct_until_changed,
    first,
    key_by,
    last,
    max,
    min,
    pairwise,
    process,
    reduce,
    scan,
    skip,
    skip_while,
    sum,
    take,
    take_while,
    top_n,
    unkey,
)
from rxdag.operators.rate import (
    audit,
    conflate,
    debounce,
    delay,
    sample,
    throttle,
    throttle_first,
    throttle_latest,
    timeout,
)
from rxdag.operators.routing import (
    partition,
    route,
    route_by,
    shard,
    split,
)
from rxdag.operators.time import (
    event_time,
)
from rxdag.operators.windows import (
    rolling,
    window,
    window_all,
)

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
    "key_by",
    "last",
    "lookup",
    "map",
    "map_async",
    "map_batch",
    "max",
    "min",
    "pairwise",
    "partition",
    "process",
    "reduce",
    "rolling",
    "route",
    "route_by",
    "sample",
    "scan",
    "select",
    "shard",
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
    "throttle_latest",
    "timeout",
    "timestamp",
    "top_n",
    "unkey",
    "window",
    "window_all",
    "with_columns",
]

remember(globals(), __all__, "op")

if not TYPE_CHECKING:  # a type checker that saw __getattr__ would accept every misspelt name

    def __getattr__(name: str) -> object:
        raise unknown_name(__name__, name)
