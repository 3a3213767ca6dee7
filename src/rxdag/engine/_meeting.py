"""Meetings: nodes that join the parts of a run of columns, split by a route, in their original order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rxdag.engine._columns_node import ColumnsNode


class Meeting:
    """The node where branches of a route meet: it gathers their parts of one run and passes it on whole.

    Nothing is passed on before the run is complete, so no node between the route and the meeting ever rests.

    Args:
        node: The node where the branches meet.
        inputs: Its inputs to which the branches lead.
    """

    def __init__(self, node: ColumnsNode, inputs: frozenset[int]) -> None:
        self.node = node
        self.inputs = inputs
        self.is_open = False
        self.parts: list[Any] = []
        self.failed: list[tuple[int, ColumnsNode, Exception]] = []
        """Failures on the branches: index in the run, node and error."""

    def begin(self) -> None:
        """Take the next inputs as parts of one run."""
        self.is_open = True

    def finish(self) -> None:
        """Pass the run on up to the first item on which a branch node failed; then that node fails."""
        from rxdag.columns import parted, rejoined  # they load numpy, which columns have done

        self.is_open = False
        parts, self.parts = self.parts, []
        failed, self.failed = self.failed, []
        whole: Any = rejoined(parts) if parts else None
        rest: Any = None
        if failed and whole is not None:
            whole, rest = parted(whole, min(place for place, _, _ in failed))
        if whole is not None and len(whole):
            whole.index = None
            self.node.take_met(min(self.inputs), whole, self.inputs)
        if rest is not None:
            self.node.discarded += len(rest)
        # Branches ran one after the other, so failures are not in item order; the first item decides.
        failed.sort(key=_place)
        for i, (_, node, error) in enumerate(failed):
            if i:  # this node would not have received the item
                node.failed -= 1
                node.discarded += 1
                node.is_failing = False
            else:
                node.fail(error)


def _place(failure: tuple[int, ColumnsNode, Exception]) -> int:
    return failure[0]
