"""Stacks: the node and the stack of a thread of a run."""

import os
import sys
import traceback
from types import FrameType
from typing import Final

from rxdag.engine import Domain, Node
from rxdag.engine.drivers import FlowScheduler
from rxdag.plan import Plan

_MOST_CALLS: Final = 8


def stack_of(scheduler: FlowScheduler, plan: Plan) -> tuple[str, str]:
    """Return the node that a scheduler's thread is in, or the scheduler, and the thread's stack as text.

    Compiled methods have no frames; the node is then found by its user function, or by the call that the scheduler has
    made.
    """
    frame = _frame_of(scheduler)
    name = None if frame is None else _node_in(frame, plan)
    text = "" if frame is None else "".join(traceback.format_stack(frame))
    return f"scheduler {scheduler.name}" if name is None else f'node "{name}"', text


def calls_of(scheduler: FlowScheduler, plan: Plan) -> tuple[str | None, str]:
    """Return the name of the node that a scheduler's thread is in, and its innermost calls on one line, the last first."""
    frame = _frame_of(scheduler)
    calls: list[str] = []
    walk = frame
    while walk is not None and len(calls) < _MOST_CALLS:
        code = walk.f_code
        calls.append(f"{code.co_name} ({os.path.basename(code.co_filename)}:{walk.f_lineno})")
        walk = walk.f_back
    return None if frame is None else _node_in(frame, plan), " < ".join(calls)


def _frame_of(scheduler: FlowScheduler) -> FrameType | None:
    return sys._current_frames().get(scheduler.thread or 0)  # pyright: ignore[reportPrivateUsage]  # documented, and the only way


def _node_in(frame: FrameType, plan: Plan) -> str | None:
    """Return the node whose code a frame runs."""
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
            return name
        walk = walk.f_back
    return None
