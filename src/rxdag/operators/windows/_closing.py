"""Windows in the order of their ends; each is emitted once, at its end."""

from __future__ import annotations

import heapq
from typing import Any, ClassVar

from mypy_extensions import mypyc_attr

from rxdag.contract import MAX, Emit, Kernel


@mypyc_attr(allow_interpreted_subclasses=True)
class ClosingKernel(Kernel):
    """Closes the windows that a watermark has passed, the earliest end first, and pauses between panes."""

    passes: ClassVar[bool] = False
    pauses: ClassVar[bool] = True

    def __init__(self) -> None:
        self.ends: list[tuple[int, int]] = []
        """Heap of the open windows, as (end, start)."""
        self.wake = MAX
        self.left: list[Any] = []
        """Keys whose panes the current window must still emit after a pause, the next one last."""
        self.left_of: tuple[int, int] | None = None

    def opened(self, window: tuple[int, int]) -> None:
        """Count a window as open."""
        heapq.heappush(self.ends, window)
        self.wake = self.ends[0][0] - 1

    def on_watermark(self, watermark: int, emit: Emit[Any]) -> None:
        self._close(watermark, "watermark", emit)

    def on_end(self, emit: Emit[Any]) -> None:
        # Greater than the end of any window; ends may exceed MAX.
        self._close(2 * MAX, "end", emit)

    def _close(self, watermark: int, closed_by: Any, emit: Emit[Any]) -> None:
        ends = self.ends
        while ends and ends[0][0] - 1 <= watermark:
            # Popped only once it is complete: after a pause, fire() is called for it again.
            if not self.fire(ends[0], closed_by, emit):
                self.is_paused = True
                break
            heapq.heappop(ends)
            if ends and ends[0][0] - 1 <= watermark and emit.must_pause():
                self.is_paused = True
                break
        self.wake = ends[0][0] - 1 if ends else MAX

    def fire(self, window: tuple[int, int], closed_by: Any, emit: Emit[Any]) -> bool:
        """Emit the panes of a window; return False if it pauses with panes in `left`."""
        raise NotImplementedError

    def saved_left(self) -> list[Any]:
        """Return the part of the state that belongs to a pause."""
        return [] if self.left_of is None else [list(self.left_of), list(self.left)]

    def restore_left(self, saved: list[Any]) -> None:
        self.left, self.left_of = [], None
        if saved:
            (end, start), self.left = saved
            self.left_of = end, start
