"""Operators with several inputs."""

from rxdag.operators.joining._combine import combine_latest, with_latest_from, zip
from rxdag.operators.joining._in_turn import catch, concat
from rxdag.operators.joining._join_asof import join_asof
from rxdag.operators.joining._join_interval import join_interval
from rxdag.operators.joining._join_window import join_window
from rxdag.operators.joining._merge import merge, merge_sorted
from rxdag.operators.joining._until import skip_until, take_until

__all__ = [
    "catch",
    "combine_latest",
    "concat",
    "join_asof",
    "join_interval",
    "join_window",
    "merge",
    "merge_sorted",
    "skip_until",
    "take_until",
    "with_latest_from",
    "zip",
]
