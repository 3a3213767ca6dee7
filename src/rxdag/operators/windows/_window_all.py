"""Kernels of windows that ignore the keys of keyed streams."""

from __future__ import annotations

from typing import Any, Final

from rxdag.contract import Emit, Kernel
from rxdag.operators.windows._window_counted import CountedWindowKernel
from rxdag.operators.windows._window_open import OpenWindowKernel
from rxdag.operators.windows._window_revised import RevisedWindowKernel

_LEAVES_OUT: Final = "it leaves out the key, item by item; ops.unkey() before it does so for all"


class CountedWindowAllKernel(CountedWindowKernel):
    """Windows of a number of items, regardless of key."""

    def on_item(self, item: Any, ts: int, sequence: int, key: Any, emit: Emit[Any]) -> None:
        super().on_item(item, ts, sequence, None, emit)


class OpenWindowAllKernel(OpenWindowKernel):
    """Windows that are emitted once each, of items regardless of key."""

    node = None

    def on_item(self, item: Any, ts: int, sequence: int, key: Any, emit: Emit[Any]) -> None:
        super().on_item(item, ts, sequence, None, emit)

    def in_columns(self) -> Kernel | str:
        return _LEAVES_OUT


class RevisedWindowAllKernel(RevisedWindowKernel):
    """Windows that can merge or be emitted again, of items regardless of key."""

    node = None

    def on_item(self, item: Any, ts: int, sequence: int, key: Any, emit: Emit[Any]) -> None:
        super().on_item(item, ts, sequence, None, emit)

    def in_columns(self) -> Kernel | str:
        return _LEAVES_OUT
