"""FlowScheduler, the reactivex scheduler of a serial domain, and the clocks and drivers beside it.

Public.
"""

from rxdag.engine.drivers import (
    FlowScheduler,
    LoopDriver,
    MonotonicClock,
    ThreadDriver,
    Timer,
    VirtualClock,
    VirtualDeadlockError,
    VirtualLoop,
    all_quiet,
    drive,
    drive_virtual,
)

__all__ = [
    "FlowScheduler",
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
