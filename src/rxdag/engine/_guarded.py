"""Nodes that run user code: a failure is charged to the node, and never unwinds through the nodes above."""

from __future__ import annotations

from typing import Any

from rxdag.contract import DEAD, RAISE, SKIP, BadItem, BadProgram, DeadLetter, OnError
from rxdag.engine._context import RunContext
from rxdag.engine._faults import node_error
from rxdag.engine._node import Exit
from rxdag.engine._point import Point
from rxdag.errors import trace_of


class Guarded(Point):
    """A node that runs user code: failures are charged to it, and no error unwinds through the nodes above.

    Args:
        name: Of the node.
        run: The run.
        policy: Error policy for items on which user code fails.
    """

    def __init__(self, name: str, run: RunContext, policy: OnError) -> None:
        super().__init__(name)
        self.run = run
        self.policy = policy
        self.is_caught = False
        self.ports: dict[str, Exit] = {}

    def add_exit(self, exit_: Exit) -> None:
        super().add_exit(exit_)
        self.ports[exit_.port] = exit_

    def bury(self, item: Any, error: BaseException, attempts: int) -> bool:
        """Apply the error policy to an item on which user code failed; return False if the node has failed."""
        policy = RAISE if isinstance(error, BadProgram) else self.policy.last
        if isinstance(error, BadItem) or (policy is DEAD and isinstance(error, Exception)):
            self.dead += 1
            self.note_loss()
            letters = self.ports.get("dead")
            if letters is not None:
                self.give(letters, DeadLetter(self.name, item, error, attempts, trace_of(error)), 0, 0, None)
            return True
        if policy is SKIP and isinstance(error, Exception):
            self.note_drop("skipped", 1)
            self.note_loss()
            dropped = self.ports.get("dropped")
            if dropped is not None:
                self.give(dropped, item, 0, 0, None)
            return True
        self.failed += 1
        self.domain.interrupt_for(error)
        self.fail(node_error(self.name, error) if isinstance(error, BadProgram) else node_error(self.name, error, item))
        return False

    def break_down(self, error: BaseException) -> None:
        """Fail because of user code that was called without an item."""
        self.domain.interrupt_for(error)
        self.fail(node_error(self.name, error))

    def fail(self, error: Exception) -> None:
        """End the node, and the run unless a later node continues without it; its outputs still pass."""
        if self.is_ended:
            return
        if not self.is_caught:
            self.run.fail(error)  # first, so that a failure while the end is passed on does not hide it
        self.discard()
        self.give_end(error)
        self.seal()
        if self.is_caught:
            self.domain.retire(self)
