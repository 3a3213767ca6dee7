"""Operators that aggregate stretches of event time.

Internal: not part of the API; may change in any release.
"""

from rxdag.operators.windows._rolling import rolling
from rxdag.operators.windows._window import window, window_all

__all__ = [
    "rolling",
    "window",
    "window_all",
]
