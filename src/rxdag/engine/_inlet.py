"""Inlets: the inputs of a node that has several."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from mypy_extensions import i64

from rxdag.engine._gate import Gate
from rxdag.engine._node import Node

if TYPE_CHECKING:
    from rxdag.engine._kernel_node import KernelNode


class Inlet(Node):
    """One of several inputs of a node."""

    def __init__(self, owner: KernelNode, input: int) -> None:
        super().__init__(owner.name)
        self.owner = owner
        self.input = input
        self.gate: Gate | None = None
        """The gate before this input."""
        self.is_entry_shut = False

    def readers(self) -> list[Node]:
        return [self.owner]

    def set_entry_shut(self, is_shut: bool) -> None:
        """Close or reopen the gate before this input; a source behind a closed gate is not even opened."""
        gate = self.gate
        if gate is None or is_shut == self.is_entry_shut:
            return
        self.is_entry_shut = is_shut
        if gate.domain is self.domain:
            gate.set_shut(is_shut)
        else:
            gate.domain.driver.call(partial(gate.set_shut, is_shut))

    def push(self, item: Any, ts: i64, sequence: Any, key: Any) -> None:
        self.came += 1
        self.owner.take(self.input, item, ts, sequence, key)

    def push_columns(self, columns: Any) -> None:
        self.came += len(columns)
        self.owner.take_columns(self.input, columns)

    def mark(self, watermark: i64) -> None:
        self.owner.take_mark(self.input, watermark)

    def end(self, error: Exception | None) -> None:
        if not self.is_ended:
            self.is_ended = True
            self.set_shut(False)
            self.owner.input_ended(self.input, error)
