"""Operators that slow a stream down or thin it out."""

from rxdag.operators.rate._conflate import conflate
from rxdag.operators.rate._paced import delay
from rxdag.operators.rate._throttle import throttle
from rxdag.operators.rate._waiting import audit, debounce, sample, throttle_first, timeout

__all__ = [
    "audit",
    "conflate",
    "debounce",
    "delay",
    "sample",
    "throttle",
    "throttle_first",
    "timeout",
]
