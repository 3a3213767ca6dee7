"""Accumulators that merge, and that take items out again: sessions, rolling and sliding windows."""

from __future__ import annotations

from rxdag import operators as ops
from rxdag import windows
from rxdag.aggregates import Accumulator
from tests.foreign import machines
from tests.foreign.accumulators import Of, Sum, value_of
from tests.foreign.entries import Step, keyed, program, rolled, rolled_in_time, timed, windowed_all


class _Spread(Accumulator):
    """Keep the least and the largest value; can merge."""

    def __init__(self):
        self.seen = []

    def add(self, item):
        self.seen = [min([*self.seen, item[2]]), max([*self.seen, item[2]])]

    def merge(self, other):
        both = sorted(self.seen + other.seen)
        self.seen = [both[0], both[-1]]

    def result(self):
        return self.seen[-1] - self.seen[0]


def in_sessions(aggregate):
    step = ops.window(windows.session("5ns"), aggregate, into=value_of)
    return [
        timed(out_of_order=8),
        keyed(lambda tick: tick[1]),
        Step(step, lambda: machines.Sessions(5, aggregate, into=value_of)),
    ]


program(
    "MergesInSessions",
    lambda: in_sessions(Of(_Spread)),
    [(1, "a", 3), (2, "b", 5), (10, "a", 1), (6, "a", 9), (30, "a", 4), (31, "a", 6)],
    [("b", 7, 0), ("a", 15, 8), ("a", 36, 2)],
)


class Mean(Accumulator):
    """A mean of whole numbers that supports `remove`."""

    def __init__(self):
        self.__total, self.__n = 0, 0

    def add(self, item):
        self.__total += item
        self.__n += 1

    def remove(self, item):
        self.__total -= item
        self.__n -= 1
        return True

    def result(self):
        return self.__total / self.__n


program("RemovesInRolling", lambda: [rolled(2, Of(Mean))], [2, 4, 9, 1], [2.0, 3.0, 6.5, 5.0])


class Top(Accumulator):
    """The largest value; can remove any item but the largest."""

    def __init__(self):
        self.top = None

    def add(self, item):
        self.top = item if self.top is None else max(self.top, item)

    def remove(self, item):
        return item != self.top

    def result(self):
        return self.top


program("RemovesSomeInRolling", lambda: [rolled(3, Of(Top))], [5, 1, 2, 3, 9, 4, 4, 1, 1], [5, 5, 5, 3, 9, 9, 9, 4, 4])


class MeanOfTicks(Mean):
    def add(self, item):
        super().add(item[2])

    def remove(self, item):
        return super().remove(item[2])


program(
    "RemovesInRollingByTime",
    lambda: [timed(out_of_order=4), keyed(lambda tick: tick[1]), rolled_in_time(5, Of(MeanOfTicks), "late")],
    [(1, "a", 2), (3, "b", 7), (5, "a", 4), (9, "a", 6), (7, "b", 1), (20, "a", 5), (15, "b", 8)],
    [2.0, 7.0, 3.0, 4.0, 5.0, 5.0],
    late=[(15, "b", 8)],
)
program(
    "SlidingWindowsOfAUsersOwn",
    lambda: [timed(), windowed_all(windows.sliding("6ns", "3ns"), Of(MeanOfTicks), into=value_of)],
    [(1, "a", 2), (4, "b", 8), (10, "a", 3)],
    [(None, 3, 2.0), (None, 6, 5.0), (None, 9, 8.0), (None, 12, 3.0), (None, 15, 3.0)],
)
program(
    "WindowsWithGaps",
    lambda: [timed(), windowed_all(windows.sliding("2ns", "5ns"), Of(Sum), "unassigned", into=value_of)],
    [(0, "a", 2), (1, "b", 8), (3, "a", 3), (6, "a", 4)],
    [(None, 2, 10), (None, 7, 4)],
    unassigned=[(3, "a", 3)],
)
