"""The plan: passes that turn a dag into a plan.

Internal: not part of the API; may change in any release.
"""

from rxdag.plan._delivery import DeliveryFacts, deliveries, obstacles
from rxdag.plan._domains import MAIN
from rxdag.plan._facts import AgeFacts, EdgeFacts, GateFacts, NodeFacts, PlanFacts, QueueFacts, StallFacts
from rxdag.plan._gates import GatePlan, queue_of
from rxdag.plan._lanes import SIDE_PORTS
from rxdag.plan._plan import Plan, compile, use_faces
from rxdag.plan._topology import Topology, make_columns_kernel, make_kernel

__all__ = [
    "MAIN",
    "SIDE_PORTS",
    "AgeFacts",
    "DeliveryFacts",
    "EdgeFacts",
    "GateFacts",
    "GatePlan",
    "NodeFacts",
    "Plan",
    "PlanFacts",
    "QueueFacts",
    "StallFacts",
    "Topology",
    "compile",
    "deliveries",
    "make_columns_kernel",
    "make_kernel",
    "obstacles",
    "queue_of",
    "use_faces",
]
