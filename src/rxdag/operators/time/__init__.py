"""Operators that set the event time of items.

Internal: not part of the API; may change in any release.
"""

from rxdag.operators.time._event_time import event_time

__all__ = [
    "event_time",
]
