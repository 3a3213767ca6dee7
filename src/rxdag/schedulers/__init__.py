"""Who runs when: schedulers, gates, pumps, and the drivers that move them."""

from rxdag.schedulers._clock import MonotonicClock, VirtualClock
from rxdag.schedulers._drivers import (
    LoopDriver,
    ThreadDriver,
    VirtualDeadlockError,
    VirtualLoop,
    drive,
    drive_virtual,
)
from rxdag.schedulers._dropping_gate import DroppingGate
from rxdag.schedulers._flow import QUANTUM, FlowScheduler, Timer, all_quiet
from rxdag.schedulers._gate import DemandGate, Gate, Waiter
from rxdag.schedulers._handover import Handover, Inlet, Port, items_of
from rxdag.schedulers._pump import Pump, Segment
from rxdag.schedulers._room import Limiter, Room
from rxdag.schedulers._sized_gate import SizedGate

__all__ = [
    "DemandGate",
    "DroppingGate",
    "FlowScheduler",
    "Gate",
    "Handover",
    "Inlet",
    "Limiter",
    "LoopDriver",
    "MonotonicClock",
    "Port",
    "QUANTUM",
    "Pump",
    "Room",
    "Segment",
    "SizedGate",
    "ThreadDriver",
    "Timer",
    "VirtualClock",
    "VirtualDeadlockError",
    "VirtualLoop",
    "Waiter",
    "all_quiet",
    "drive",
    "drive_virtual",
    "items_of",
]
