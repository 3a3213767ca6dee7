"""What runs now: runs, their states, their books."""

from rxdag.compiler import use_observable
from rxdag.runtime._execution import Execution
from rxdag.runtime._front import planned, run, run_async, start, start_async, stop_after
from rxdag.runtime._handles import AsyncRun, Run, run_here, run_on_loop
from rxdag.runtime._iterate import StreamRunner, observable_of, to_observable
from rxdag.runtime._result import GateStats, RunResult, RunStats, State
from rxdag.runtime._signals import draining_on_signals

use_observable(observable_of)

__all__ = [
    "AsyncRun",
    "Execution",
    "GateStats",
    "Run",
    "RunResult",
    "RunStats",
    "State",
    "StreamRunner",
    "draining_on_signals",
    "observable_of",
    "planned",
    "run",
    "run_async",
    "run_here",
    "run_on_loop",
    "start",
    "start_async",
    "stop_after",
    "to_observable",
]
