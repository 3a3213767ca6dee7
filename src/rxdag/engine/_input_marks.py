"""The watermark of several inputs."""

from __future__ import annotations

from mypy_extensions import i64

from rxdag.contract import FLUSHED, IDLE, MAX, MIN


class InputMarks:
    """Combines the watermarks of a node's inputs, as Flink does.

    The watermark is the minimum over the inputs that are active and aligned. An input that comes back from idle is
    aligned once it reaches the combined watermark; an input without a watermark so far counts as MIN. While all open
    inputs are idle, the output is idle, and its watermark is the maximum over all inputs; an input that has ended
    counts with its last watermark before the end. The watermark never goes back.

    Args:
        n: Number of inputs.
    """

    def __init__(self, n: int) -> None:
        self.of = [MIN] * n
        """Watermark of each input; FLUSHED or ENDED once it has ended."""
        self.some_idle = False
        self._last = [MIN] * n
        """The last watermark of each input before its end."""
        self._idle = [False] * n
        self._aligned = [True] * n
        self._given: i64 = MIN
        self._all_count = True
        """True if each open input is active and aligned: the watermark is then the minimum over all inputs."""
        self._n_least: i64 = 0
        """Number of inputs at the minimum; 0 if they have to be counted."""

    def rises(self, mark: i64) -> bool:
        """Take a watermark of the only input; False if it has to go the long way, by `advance`."""
        if self.some_idle or mark <= self._given:
            return False
        self._given = mark
        self.of[0] = mark
        return True

    def advance(self, input: int, mark: int) -> tuple[int, ...]:
        """Take a mark of an input; returns the marks to emit: watermarks, each above the last, then IDLE, or none."""
        if self._all_count and IDLE < mark < FLUSHED:
            return self._advance_all(input, mark)
        if mark == IDLE:
            return self._fall_idle(input)
        if mark >= FLUSHED:
            return self._end(input, mark)
        out = self.wake(input)
        if mark > self.of[input]:
            self.of[input] = self._last[input] = mark
            if not self._aligned[input] and mark >= self._given:
                self._aligned[input] = True
                self._look()
            out = (*out, *self._risen())
        return out

    def _advance_all(self, input: int, mark: int) -> tuple[int, ...]:
        """Take a watermark while all inputs count: they are scanned once each of the least has risen."""
        was: i64 = self.of[input]
        if mark <= was:
            return ()
        self.of[input] = self._last[input] = mark
        # This input was above the minimum, so the minimum has not changed.
        if was > self._given:
            return ()
        self._n_least -= 1
        # After _look() the number is unknown (0), so it becomes negative and all inputs are counted.
        if self._n_least > 0:
            return ()
        least = min(self.of)
        self._n_least = self.of.count(least)
        if least <= self._given:
            return ()
        self._given = least
        return (least,)

    def bounds(self, inputs: frozenset[int]) -> tuple[int, int]:
        """Return the combined watermark so far, and up to where the inputs other than some let it rise."""
        others = [i for i in self._open() if i not in inputs and self._aligned[i] and not self._idle[i]]
        return self._given, min((self.of[i] for i in others), default=MAX)

    def is_idle(self, input: int) -> bool:
        """Return True if nothing will come from an input for a while."""
        return self._idle[input]

    def wake(self, input: int) -> tuple[int, ...]:
        """Mark an input active; if the output was idle, return the watermark that ends the idleness."""
        if not self._idle[input]:
            return ()
        was_idle = self._all_idle()
        self._rouse(input)
        return (self._given,) if was_idle else ()

    def _rouse(self, input: int) -> None:
        self._idle[input] = False
        self._aligned[input] = self.of[input] >= self._given
        self._look()

    def _look(self) -> None:
        """Recompute whether all inputs count."""
        self.some_idle = any(self._idle)
        self._all_count = not self.some_idle and all(self._aligned)
        self._n_least = 0

    def _fall_idle(self, input: int) -> tuple[int, ...]:
        if self._idle[input] or self.of[input] >= FLUSHED:
            return ()
        self._idle[input] = True
        self._look()
        return (*self._risen(), IDLE) if self._all_idle() else self._risen()

    def _end(self, input: int, mark: int) -> tuple[int, ...]:
        if mark <= self.of[input]:
            return ()
        was_idle = self._all_idle()
        self.of[input] = mark
        self._rouse(input)
        is_idle = self._all_idle() and not was_idle
        return (*self._risen(), IDLE) if is_idle else self._risen()

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
            mark = max(self._last)
        else:
            mark = min((self.of[i] for i in open_inputs if self._aligned[i] and not self._idle[i]), default=MIN)
        if mark <= self._given:
            return ()
        self._given = mark
        return (mark,)

    def snapshot(self) -> tuple[list[int], list[int], list[bool], list[bool], int]:
        """Return the state as plain data."""
        return list(self.of), list(self._last), list(self._idle), list(self._aligned), self._given

    def restore(self, saved: tuple[list[int], list[int], list[bool], list[bool], int]) -> None:
        """Restore the result of `snapshot`."""
        self.of[:], self._last, self._idle, self._aligned, self._given = saved
        self._look()
