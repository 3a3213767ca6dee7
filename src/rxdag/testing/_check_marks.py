"""Watermarks of several inputs as one, in a form that can be saved; and the steps in which one is raised."""

from __future__ import annotations

from random import Random
from typing import Any

from rxdag.contract import FLUSHED, IDLE, MAX, MIN


class Marks:
    """The watermark of a node: the minimum over its inputs that are active and aligned.

    An input that returns from idle is aligned once it reaches the watermark so far; an input without a watermark counts
    as MIN. While all open inputs are idle, the node is idle, and the watermark is the maximum over all inputs; an input
    that has ended counts with its last watermark before the end.

    Args:
        n: Number of inputs.
    """

    def __init__(self, n: int) -> None:
        self.of = [MIN] * n
        """Watermark of each input."""
        self._last = [MIN] * n
        self._idle = [False] * n
        self._aligned = [True] * n
        self.given = MIN

    def is_idle(self, input: int) -> bool:
        """Return True if nothing will come from an input for a while."""
        return self._idle[input]

    def take(self, input: int, mark: int) -> list[int]:
        """Take in the mark of an input; returns the marks of the node that follow from it."""
        if mark == IDLE:
            if self._idle[input] or self.of[input] >= FLUSHED:
                return []
            self._idle[input] = True
            return [*self._rise(), *([IDLE] if self._all_idle() else [])]
        if mark >= FLUSHED:
            return self._end(input, mark)
        out = self.wake(input)
        if mark > self.of[input]:
            self.of[input] = self._last[input] = mark
            self._aligned[input] = self._aligned[input] or mark >= self.given
            out += self._rise()
        return out

    def _end(self, input: int, mark: int) -> list[int]:
        if mark <= self.of[input]:
            return []
        were_idle = self._all_idle()
        self.of[input] = mark
        self._idle[input] = False
        return [*self._rise(), *([IDLE] if self._all_idle() and not were_idle else [])]

    def wake(self, input: int) -> list[int]:
        """Mark an input active; return the watermark so far if all were idle."""
        if not self._idle[input]:
            return []
        were_idle = self._all_idle()
        self._idle[input] = False
        self._aligned[input] = self.of[input] >= self.given
        return [self.given] if were_idle else []

    def _open(self) -> list[int]:
        return [i for i, mark in enumerate(self.of) if mark < FLUSHED]

    def _all_idle(self) -> bool:
        return bool(self._open()) and all(self._idle[i] for i in self._open())

    def _rise(self) -> list[int]:
        if not self._open():
            mark = min(self.of)
        elif self._all_idle():
            mark = max(self._last)
        else:
            mark = min((self.of[i] for i in self._open() if self._aligned[i] and not self._idle[i]), default=MIN)
        if mark <= self.given:
            return []
        self.given = mark
        return [mark]

    def save(self) -> list[Any]:
        """Return the state as plain data."""
        return [self.of, self._last, self._idle, self._aligned, self.given]

    def load(self, saved: list[Any]) -> None:
        """Restore the result of `save`."""
        self.of, self._last, self._idle, self._aligned, self.given = saved


def steps_between(low: int, high: int, wake: int, split: Random | None) -> list[int]:
    """Draw watermarks between two, some near `wake` and the later one; none without a seed."""
    if split is None or high == MAX:  # the end of the data is not a time that is passed
        return []
    near = high - 10**9
    some = {wake - 1, wake, wake + 1, near, high - 1, split.randint(max(low, near), high)}
    return sorted(each for each in some if low < each < high and split.random() < 0.8)
