"""Functions of several streams, which `rxdag` exports: `rxdag.merge(a, b)`.

Internal: not part of the API; may change in any release.
"""

from rxdag.contract import remember
from rxdag.operators.joining._combine import combine_latest, with_latest_from, zip
from rxdag.operators.joining._concat import catch, concat
from rxdag.operators.joining._join_asof import join_asof
from rxdag.operators.joining._join_interval import join_interval
from rxdag.operators.joining._join_window import join_window
from rxdag.operators.joining._merge import merge, merge_sorted

__all__ = [
    "catch",
    "combine_latest",
    "concat",
    "join_asof",
    "join_interval",
    "join_window",
    "merge",
    "merge_sorted",
    "with_latest_from",
    "zip",
]

remember(globals(), __all__, "op")
