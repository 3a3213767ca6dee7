"""Shortcut: the first maps and filters after a source as one comprehension a chunk, if they are expressions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from rxdag.engine._node import Exit
from rxdag.engine._point import ITEM
from rxdag.engine._stateless_node import StatelessNode
from rxdag.expressions import comprehend

FEWEST: Final = 4
"""Number of items from which a comprehension is quicker than a call for each."""
_SCALARS: Final = (int, float, str, bool, bytes)


class Shortcut:
    """A run of nodes that are expressions.

    Args:
        nodes: The nodes, in order.
        stages: One per part of the run: a function of a list, and the index of the node whose filter it applies, or -1.
        item_type: Of the items; only these and plain scalars are taken, since other classes may have slow properties.
    """

    def __init__(
        self, nodes: list[StatelessNode], stages: list[tuple[Callable[[list[Any]], list[Any]], int]], item_type: Any
    ) -> None:
        self.nodes = nodes
        self.stages = stages
        self.item_type = item_type

    def takes(self, items: list[Any]) -> bool:
        """Return True if the chunk may be worked on at once: no user code runs for its items."""
        first: Any = items[0]
        kind: Any = first.__class__
        return kind in _SCALARS or kind is self.item_type

    def run(self, items: list[Any]) -> list[Any] | None:
        """Work on a chunk and count it; None if that raises, and nothing is done."""
        left: list[tuple[int, int]] = []
        values = items
        try:
            for fn, filters in self.stages:
                made = fn(values)
                if filters >= 0:
                    left.append((filters, len(values) - len(made)))
                values = made
        except Exception:
            # Expressions have no side effects, so the items can be processed again singly, which finds the failing one.
            return None
        n = len(items)
        for i, node in enumerate(self.nodes):
            node.came += n
            for filters, gone in left:
                if filters == i:
                    node.filtered += gone
                    n -= gone
        return values

    @property
    def way(self) -> Exit:
        """The exit of its last node."""
        return self.nodes[-1].way

    def give(self, values: list[Any]) -> None:
        """Pass outputs on until a node blocks; the others stay in the last node."""
        last = self.nodes[-1]
        out = last.way.out
        if out.takes_rows and not last.blocked:
            out.push_rows(values)
            return
        domain = last.domain
        for value in values:
            if domain.must_give_back():
                last.hold((ITEM, last.way, value, 0, 0, None))
            else:
                last.pass_on(value, 0, 0, None)


def shortcut_behind(main: Exit, item_type: Any) -> Shortcut | None:
    """Return the shortcut through the nodes behind an exit; None if the first of them is no expression.

    Args:
        main: Main exit of a source whose items have neither time nor key.
        item_type: Of its items.
    """
    nodes: list[StatelessNode] = []
    steps: list[Any] = []
    exit_ = main
    while exit_.out is exit_.reader:  # no watcher between
        node = exit_.reader
        step = node.step() if isinstance(node, StatelessNode) else None
        if step is None or not isinstance(node, StatelessNode):
            break
        nodes.append(node)
        steps.append(step)
        exit_ = node.way
    n, stages = comprehend(steps)
    if not n:
        return None
    return Shortcut(nodes[:n], [(s.fn, -1 if s.filters is None else s.filters) for s in stages], item_type)
