"""Stacks: the node and the stack of a thread of a run."""

import sys
import traceback
from types import FrameType

from rxdag.engine import Domain, Node
from rxdag.engine.drivers import FlowScheduler
from rxdag.plan import Plan


def stack_of(scheduler: FlowScheduler, plan: Plan) -> tuple[str, str]:
    """Return the node that a scheduler's thread is in, or the scheduler, and the thread's stack as text.

    Compiled methods have no frames. There the function of a node says which one it is, or else what the scheduler has called.
    """
    frame = sys._current_frames().get(scheduler.thread or 0)  # pyright: ignore[reportPrivateUsage]  # documented, and the only way
    if frame is None:
        return f"scheduler {scheduler.name}", ""
    text = "".join(traceback.format_stack(frame))
    names = {
        code: name
        for name, node in plan.dag.nodes.items()
        for value in getattr(node.thing, "__dict__", {}).values()
        if (code := getattr(value, "__code__", None)) is not None
    }
    walk: FrameType | None = frame
    while walk is not None:
        owner = walk.f_locals.get("self")
        if isinstance(owner, FlowScheduler):
            owner = getattr(walk.f_locals.get("job"), "__self__", None)
            owner = owner.turn_of if isinstance(owner, Domain) else owner
        name = owner.name if isinstance(owner, Node) else names.get(walk.f_code)
        if name is not None:
            return f'node "{name}"', text
        walk = walk.f_back
    return f"scheduler {scheduler.name}", text
