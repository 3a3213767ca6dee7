"""Operators that slow a stream down or thin it out, by key on a keyed stream.

Internal: not part of the API; may change in any release.
"""

from rxdag.operators.rate._audit import audit
from rxdag.operators.rate._conflate import conflate
from rxdag.operators.rate._debounce import debounce
from rxdag.operators.rate._delay import delay
from rxdag.operators.rate._sample import sample
from rxdag.operators.rate._throttle import throttle
from rxdag.operators.rate._throttle_first import throttle_first
from rxdag.operators.rate._throttle_latest import throttle_latest
from rxdag.operators.rate._timeout import timeout

__all__ = [
    "audit",
    "conflate",
    "debounce",
    "delay",
    "sample",
    "throttle",
    "throttle_first",
    "throttle_latest",
    "timeout",
]
