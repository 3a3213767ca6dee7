"""Drivers of domains: FlowScheduler, and the threads, event loops and virtual clock that drive it.

Internal: not part of the API; may change in any release.
"""

from rxdag.engine.drivers._clock import MonotonicClock, VirtualClock
from rxdag.engine.drivers._drivers import (
    LoopDriver,
    ThreadDriver,
    VirtualDeadlockError,
    VirtualLoop,
    drive,
    drive_virtual,
)
from rxdag.engine.drivers._flow import FlowScheduler, all_quiet
from rxdag.engine.drivers._foreign_node import ForeignNode
from rxdag.engine.drivers._timers import Timer

__all__ = [
    "FlowScheduler",
    "ForeignNode",
    "LoopDriver",
    "MonotonicClock",
    "ThreadDriver",
    "Timer",
    "VirtualClock",
    "VirtualDeadlockError",
    "VirtualLoop",
    "all_quiet",
    "drive",
    "drive_virtual",
]
