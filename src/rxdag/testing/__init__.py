"""Virtual time, timelines, simulations from a seed, and the laws of operators, sources and sinks.

Public.
"""

from rxdag.testing import faults
from rxdag.testing._check import LAWS, LawBroken, check_operator
from rxdag.testing._check_ends import check_sink, check_source
from rxdag.testing._explore import Exploration, explore
from rxdag.testing._play import MarbleError, aggregate, feed, play
from rxdag.testing._recording import Trace, recording, trace
from rxdag.testing._simulate import Simulation, run
from rxdag.testing._sources import Chunked, Timeline, timeline
from rxdag.testing._stepping import Input, Manual, VirtualRun, manual, start
from rxdag.testing._virtual import run_virtual, settle_virtual, virtual

__all__ = [
    "trace",
    "recording",
    "Trace",
    "start",
    "manual",
    "VirtualRun",
    "Manual",
    "Input",
    "Exploration",
    "explore",
    "LAWS",
    "Chunked",
    "LawBroken",
    "MarbleError",
    "Timeline",
    "aggregate",
    "check_operator",
    "check_sink",
    "check_source",
    "feed",
    "play",
    "Simulation",
    "faults",
    "run",
    "run_virtual",
    "settle_virtual",
    "timeline",
    "virtual",
]
