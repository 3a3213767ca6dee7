"""Nodes that process one item at a time, and hold nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mypy_extensions import i64

from rxdag.contract import FLUSHED, IDLE, Kernel, OnError
from rxdag.engine._context import RunContext
from rxdag.engine._kernel_node import KernelNode
from rxdag.engine._node import Exit


class StatelessNode(KernelNode):
    """Passes each item on or leaves it out; watermarks pass.

    A subclass counts items that came in and items that left otherwise; `sync` derives `passed` from these counts.
    """

    def __init__(
        self, name: str, run: RunContext, policy: OnError, make: Callable[[], Kernel], clock: str, inputs: int
    ) -> None:
        super().__init__(name, run, policy, make, clock, inputs)
        self.is_timed = False
        self.way: Exit = Exit("out", False)

    def open(self) -> None:
        super().open()
        self.is_timed = self.only_timed is not None
        if self.main is not None:
            self.way = self.main

    def step(self) -> Any:
        """Return ("map" or "filter", the function) if the node does nothing else; else None."""
        return None

    def mark(self, watermark: i64) -> None:
        if watermark >= FLUSHED or self.is_ended:
            super().mark(watermark)
            return
        if watermark == IDLE:
            if not self.is_quiet:
                self.is_quiet = True
                self.pass_mark(watermark)
        elif watermark > self.watermark or self.is_quiet:
            # Repeating the same watermark ends the idleness.
            self.is_quiet = False
            if watermark > self.watermark:
                self.watermark = watermark
            self.pass_mark(self.watermark)

    def pass_mark(self, watermark: i64) -> None:
        """Pass a watermark on."""
        if self.blocked > self.free:
            self.give_mark(watermark)
        elif self.is_timed:
            self.way.out.mark(watermark)

    def wake_up(self) -> bool:
        """End the idleness downstream after an item, even if the item itself goes no further.

        Returns True if the node has ended and takes no more items.
        """
        if self.is_ended:
            self.unread += 1
            return True
        self.is_quiet = False
        self.pass_mark(self.watermark)
        return False

    def seal(self) -> None:
        super().seal()
        self.is_quiet = True  # so that later items are checked

    def pass_on(self, item: Any, ts: i64, sequence: Any, key: Any) -> None:
        """Pass an item on, or keep it if this node rests."""
        if self.blocked > self.free:
            self.give(self.way, item, ts, sequence, key)
            self.way.n -= 1  # sync counts it
        else:
            self.way.out.push(item, ts, sequence, key)

    def sync(self) -> None:
        # Computed on request, since counting would slow down each item.
        gone = self.filtered + self.dead + self.failed + self.unread + self.discarded
        self.passed = self.came - gone - sum(self.dropped.values())
        self.way.n = self.passed
