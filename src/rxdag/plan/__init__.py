"""The plan: passes that turn a dag into a plan."""

from rxdag.plan._domains import MAIN
from rxdag.plan._gates import GatePlan, queue_of
from rxdag.plan._lanes import SIDE_PORTS
from rxdag.plan._plan import Plan, compile, use_faces
from rxdag.plan._topology import Topology, make_columns_kernel, make_kernel

__all__ = [
    "MAIN",
    "SIDE_PORTS",
    "GatePlan",
    "Plan",
    "Topology",
    "compile",
    "make_columns_kernel",
    "make_kernel",
    "queue_of",
    "use_faces",
]
