"""Joins that hold what comes while one of their inputs is silent."""

from __future__ import annotations

from rxdag.contract import FanIn, Source
from rxdag.graph._node import Node


def silent_sources(join: Node) -> list[Node]:
    """Return the live sources whose silence makes a join hold the items of other sources without a bound."""
    if not isinstance(join.thing, FanIn) or not join.thing.holds_for_watermarks:
        return []
    stack = [(each.producer, each.shape.moves_alone) for each in reversed(join.inputs)]
    seen = set(stack)
    sources: dict[Node, None] = {}
    silent: dict[Node, None] = {}
    while stack:
        node, moves_alone = stack.pop()
        thing = node.thing
        if isinstance(thing, Source):
            sources[node] = None
            if not moves_alone and (thing.queues or thing.where == "async"):
                silent[node] = None
        following = [(each.producer, moves_alone or each.shape.moves_alone) for each in reversed(node.inputs)]
        stack += [each for each in following if each not in seen]
        seen.update(following)
    # While the only source is silent, nothing comes.
    return list(silent) if len(sources) > 1 else []
