"""Merges in a run: items of several inputs in order of arrival."""

from __future__ import annotations

from typing import Any

from mypy_extensions import i64

from rxdag.engine._kernel_node import KernelNode
from rxdag.engine._point import ITEM


class MergeNode(KernelNode):
    """Hands on each item of every input."""

    def work(self, input: int, item: Any, ts: i64, sequence: Any, key: Any) -> None:
        main = self.main
        assert main is not None
        self.passed += 1
        main.n += 1
        if self.blocked > self.free:
            self.hold((ITEM, main, item, ts, sequence, key))
        else:
            main.out.push(item, ts, sequence, key)
