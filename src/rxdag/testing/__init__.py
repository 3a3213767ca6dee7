"""Virtual time, timelines, and the laws of operators."""

from rxdag.testing._check import LAWS, LawBroken, check_operator
from rxdag.testing._play import MarbleError, aggregate, feed, play
from rxdag.testing._recording import Trace, recording, trace
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
    "LAWS",
    "Chunked",
    "LawBroken",
    "MarbleError",
    "Timeline",
    "aggregate",
    "check_operator",
    "feed",
    "play",
    "run_virtual",
    "settle_virtual",
    "timeline",
    "virtual",
]
