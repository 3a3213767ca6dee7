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
from rxdag.testing._sources import Chunked as Chunked
from rxdag.testing._sources import Timeline, timeline
from rxdag.testing._stepping import Input, Manual, VirtualRun, manual, start
from rxdag.testing._virtual import run_virtual, settle_virtual, virtual

__all__ = [
    "Exploration",
    "Input",
    "LAWS",
    "LawBroken",
    "Manual",
    "MarbleError",
    "Simulation",
    "Timeline",
    "Trace",
    "VirtualRun",
    "aggregate",
    "check_operator",
    "check_sink",
    "check_source",
    "explore",
    "faults",
    "feed",
    "manual",
    "play",
    "recording",
    "run",
    "run_virtual",
    "settle_virtual",
    "start",
    "timeline",
    "trace",
    "virtual",
]
