# ruff: noqa: RET503  # as users write them
"""Kernels that use event time, sequence and key, watermarks, timers, held items and the end."""

from __future__ import annotations

import heapq
from collections import defaultdict

from rxdag import aggregates as agg
from rxdag import windows
from rxdag.contract import MAX
from rxdag.operators import Kernel
from tests.foreign.entries import EachMark, kernel, keyed, own, program, timed, windowed


def by_time_and_name():
    return [timed(sequence=lambda item: len(item[1])), keyed(lambda item: item[1])]


@kernel(
    [(5, "a"), (7, "bb"), (6, "a")],
    [("a", 5, 1, "a"), ("bb", 7, 2, "bb"), ("a", 6, 1, "a")],
    before=by_time_and_name,
)
class ReadsWhatStandsBeside(Kernel):
    def on_item(self, item, ts, sequence, key, emit):
        emit((item[1], ts, sequence, key))


class Shifts(Kernel):
    def on_item(self, item, ts, sequence, key, emit):
        emit(item, ts=ts + 100, sequence=sequence * 2, key=key.upper())


program(
    "ChangesWhatStandsBeside",
    lambda: [*by_time_and_name(), own(Shifts), own(ReadsWhatStandsBeside)],
    [(5, "a"), (7, "bb")],
    [("a", 105, 2, "A"), ("bb", 107, 4, "BB")],
)


@kernel(["a", "b"], [("a", 0), ("b", 0)])
class LooksAtItsInput(Kernel):
    def on_item(self, item, input, emit):
        emit((item, input))


@kernel(
    [(1, "a"), (4, "b"), (3, "c"), (4, "d")],
    [(1, "a"), (4, "b"), (4, "d")],
    before=lambda: [timed()],
    dropped=[(3, "c")],
)
class RefusesToGoBack(Kernel):
    def __init__(self):
        self.latest = 0

    def on_item(self, item, ts, emit):
        if ts < self.latest:
            return emit.dropped(item, f"{self.latest - ts} ns back")
        self.latest = ts
        emit(item)


@kernel(
    [(1, "a"), (2, "b"), (9, "a"), (3, "b")],
    [(1, "a"), (2, "b"), (9, "a"), (3, "b")],
    before=lambda: [*by_time_and_name()],
    gaps=[("a", 1, 9)],
)
class GapsOnAPort(Kernel):
    """Pass every item; report each gap in the times of a key on a port."""

    def __init__(self):
        self.latest = {}

    def on_item(self, item, ts, sequence, key, emit):
        before = self.latest.get(key, ts)
        self.latest[key] = max(before, ts)
        if ts - before > 5:
            emit.made((key, before, ts), ts=ts, sequence=sequence, key=key, port="gaps")
        emit(item)


class SortsByTime(EachMark):
    """Hold each item until no earlier one can come, then emit in order of time."""

    state = ("heap", "past", "n")

    def __init__(self):
        self.heap = []
        self.past = -MAX
        self.n = 0

    def on_item(self, item, ts, sequence, key, emit):
        if ts <= self.past:
            return emit.late(item)
        self.n += 1
        heapq.heappush(self.heap, (ts, sequence, self.n, item, key))

    def held(self):
        return len(self.heap)

    def on_watermark(self, watermark, emit):
        self.past = watermark
        while self.heap and self.heap[0][0] <= watermark:
            ts, sequence, _, item, key = heapq.heappop(self.heap)
            emit(item, ts=ts, sequence=sequence, key=key)

    def on_end(self, emit):
        self.on_watermark(MAX, emit)


DISORDERED = [(4, "a"), (3, "b"), (8, "a"), (5, "d"), (12, "b"), (7, "f"), (26, "a")]

program(
    "SortsByTime",
    lambda: [timed(out_of_order=2), own(SortsByTime, "late")],
    DISORDERED,
    [(3, "b"), (4, "a"), (8, "a"), (12, "b"), (26, "a")],
    late=[(5, "d"), (7, "f")],
)


class OwnWindows(EachMark):
    """Count items by key in windows of 10 ns."""

    passes = False

    def __init__(self):
        self.open = defaultdict(list)
        self.past = -MAX

    def on_item(self, item, ts, key, emit):
        end = ts - ts % 10 + 10
        if end - 1 <= self.past:
            return emit.late(item)
        self.open[end, key].append(item)

    def held(self):
        return sum(map(len, self.open.values()))

    def on_watermark(self, watermark, emit):
        self.past = watermark
        for end, key in sorted(window for window in self.open if window[0] - 1 <= watermark):
            items = self.open.pop((end, key))
            emit.absorbed(len(items))
            emit((key, end, len(items)), ts=end - 1, sequence=0, key=key)


program(
    "OwnWindows",
    lambda: [timed(out_of_order=2), keyed(lambda item: item[1]), own(OwnWindows, "late")],
    [*DISORDERED, (9, "z")],
    [("a", 10, 2), ("b", 10, 1), ("d", 10, 1), ("b", 20, 1), ("a", 30, 1)],
    late=[(7, "f"), (9, "z")],
)
program(
    "WindowsOfOwnWindows",
    lambda: [
        timed(out_of_order=2),
        keyed(lambda item: item[1]),
        own(SortsByTime, "late"),
        own(OwnWindows),
        windowed(windows.tumbling("20ns"), agg.sum(lambda row: row[2]), into=lambda p: (p.key, p.start, p.value)),
    ],
    DISORDERED,
    [("a", 0, 2), ("b", 0, 2), ("a", 20, 1)],
    late=[(5, "d"), (7, "f")],
)


class Delays(EachMark):
    """Hold each item for 5 ns; hold the output watermark back with `low`."""

    def __init__(self):
        self.items = []

    def on_item(self, item, ts, sequence, key, emit):
        heapq.heappush(self.items, (ts, sequence, item, key))

    def held(self):
        return len(self.items)

    def low(self):
        return self.items[0][0] if self.items else MAX

    def on_watermark(self, watermark, emit):
        while self.items and (watermark == MAX or self.items[0][0] + 5 <= watermark):
            ts, sequence, item, key = heapq.heappop(self.items)
            emit(item, ts=ts, sequence=sequence, key=key)


program(
    "HoldsTheWatermarkBack",
    lambda: [timed(sequence=lambda item: item[0]), keyed(lambda item: item[1]), own(Delays), own(OwnWindows, "late")],
    [(3, "a"), (9, "b"), (12, "a"), (25, "a"), (26, "b")],
    [("a", 10, 1), ("b", 10, 1), ("a", 20, 1), ("a", 30, 1), ("b", 30, 1)],
    late=[],
)


@kernel([(1, "x"), (2, "yy"), (8, "z")], [{"n": 3, "first": 1, "last": 8}], before=lambda: [timed()])
class SaysAllAtTheEnd(Kernel):
    passes = False

    def __init__(self):
        self.times = []

    def on_item(self, item, ts, emit):
        self.times.append(ts)

    def held(self):
        return len(self.times)

    def on_end(self, emit):
        n, self.times = len(self.times), [min(self.times), max(self.times)]
        emit.absorbed(n)
        emit({"n": n, "first": self.times[0], "last": self.times[1]}, ts=self.times[1], sequence=0, key=None)
        self.times.clear()


@kernel([1, 5, 2, 4], [(1, 5), (5, 2), (2, 4)], unassigned=[4])
class PairsWithTheNext(Kernel):
    """Emit each item with its successor; the last one has none."""

    def __init__(self):
        self.waiting = []

    def on_item(self, item, emit):
        before, self.waiting = self.waiting, [item]
        for each in before:
            emit((each, item))

    def held(self):
        return len(self.waiting)

    def on_end(self, emit):
        while self.waiting:
            emit.unassigned(self.waiting.pop())


# ---- the clock, in virtual time


@kernel(["a", "b", "c", "d"], ["b", "c", "d"], dropped=["a"], times=(0, 5, 30, 42))
class Debounces(Kernel):
    """Emit the last item when nothing has come for 10 ns."""

    state = ("waiting", "timer")

    def __init__(self):
        self.waiting = []

    def on_item(self, item, now, emit):
        before, self.waiting = self.waiting, [item]
        self.timer = now + 10
        for each in before:
            emit.dropped(each, "replaced")

    def held(self):
        return len(self.waiting)

    def on_timer(self, now, emit):
        self.timer = None
        self.on_end(emit)

    def on_end(self, emit):
        while self.waiting:
            emit(self.waiting.pop(), ts=0, sequence=0, key=None)


@kernel(["a", "b", "c", "d"], [(10, 2), (20, 3), (30, 3)], times=(1, 2, 15, 38))
class CountsByTheClock(Kernel):
    passes = False

    def __init__(self):
        self.n = 0

    def on_start(self, now, emit):
        self.timer = now + 10

    def on_item(self, item, emit):
        self.n += 1
        emit.absorbed(1)

    def on_timer(self, now, emit):
        self.timer += 10
        emit((now, self.n), ts=0, sequence=0, key=None)


@kernel(["a", "b"], [("a", 3), ("b", 8), ("left 2", 13), ("left 1", 18)], times=(3, 8))
class LingersAfterTheEnd(Kernel):
    def __init__(self):
        self.now = 0
        self.left = 2

    def on_item(self, item, now, emit):
        self.now = now
        emit((item, now))

    def on_end(self, emit):
        self.lingers = True
        self.timer = self.now + 5

    def on_timer(self, now, emit):
        emit.made((f"left {self.left}", now), ts=0, sequence=0, key=None)
        self.left -= 1
        self.lingers = self.left > 0
        self.timer = now + 5 if self.lingers else None
