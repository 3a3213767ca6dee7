"""The watermark of several inputs."""

from __future__ import annotations

from rxdag.contract import FLUSHED, IDLE, MIN


class InputMarks:
    """Combines the watermarks of a node's inputs, as Flink does.

    The watermark is the least of the inputs that are active and aligned. One that comes back from idle is aligned
    once it reaches the combined watermark; one that has not spoken counts as MIN; one that has ended counts no more.
    With all inputs idle it moves to the largest, and the output is idle. It never goes back.

    Args:
        n: How many inputs there are.
    """

    __slots__ = ("_aligned", "_given", "_idle", "of", "some_idle")

    def __init__(self, n: int) -> None:
        self.of = [MIN] * n
        """Watermark of each input."""
        self.some_idle = False
        self._idle = [False] * n
        self._aligned = [True] * n
        self._given = MIN

    def advance(self, input: int, mark: int) -> tuple[int, ...]:
        """What an input's mark does: the marks to give out, each above the last, and then IDLE, as far as they apply."""
        if mark == IDLE:
            return self._fall_idle(input)
        out = self.wake(input)
        if mark > self.of[input]:
            self.of[input] = mark
            if not self._aligned[input] and mark >= self._given:
                self._aligned[input] = True
            out = (*out, *self._risen())
        return out

    def is_idle(self, input: int) -> bool:
        """True if nothing will come from it for a while."""
        return self._idle[input]

    def wake(self, input: int) -> tuple[int, ...]:
        """An input is active again; if the output was idle, the watermark so far tells of it."""
        if not self._idle[input]:
            return ()
        was_idle = self._all_idle()
        self._idle[input] = False
        self._aligned[input] = self.of[input] >= self._given
        self.some_idle = any(self._idle)
        return (self._given,) if was_idle else ()

    def _fall_idle(self, input: int) -> tuple[int, ...]:
        if self._idle[input] or self.of[input] >= FLUSHED:
            return ()
        self._idle[input] = self.some_idle = True
        return (*self._risen(), IDLE) if self._all_idle() else self._risen()

    def _open(self) -> list[int]:
        return [i for i, mark in enumerate(self.of) if mark < FLUSHED]

    def _all_idle(self) -> bool:
        open_inputs = self._open()
        return len(open_inputs) > 0 and all(self._idle[i] for i in open_inputs)

    def _risen(self) -> tuple[int, ...]:
        open_inputs = self._open()
        if not open_inputs:
            mark = min(self.of)
        elif self._all_idle():
            mark = max(self.of[i] for i in open_inputs)
        else:
            mark = min((self.of[i] for i in open_inputs if self._aligned[i] and not self._idle[i]), default=MIN)
        if mark <= self._given:
            return ()
        self._given = mark
        return (mark,)

    def snapshot(self) -> tuple[list[int], list[bool], list[bool], int]:
        """Return the state as plain data."""
        return list(self.of), list(self._idle), list(self._aligned), self._given

    def restore(self, saved: tuple[list[int], list[bool], list[bool], int]) -> None:
        """Take up what `snapshot` gave."""
        self.of[:], self._idle, self._aligned, self._given = saved
        self.some_idle = any(self._idle)
