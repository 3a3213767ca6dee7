"""Aggregates and accumulators as users write them, in windows, sessions and rolling windows."""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import rxdag
from rxdag import aggregates as agg
from rxdag import windows
from rxdag.aggregates import Accumulator, Aggregate
from tests.foreign.entries import keyed, program, timed, windowed, windowed_all

TICKS = [(1, "a", 3), (2, "b", 5), (4, "a", 1), (12, "b", 2), (8, "a", 9), (15, "a", 4)]
"""Time, key, value; one comes 4 ns late."""


@dataclass(frozen=True)
class Of(Aggregate[Any, Any]):
    """An aggregate of any accumulator."""

    make: Any

    def accumulator(self):
        return self.make()


def value_of(pane):
    return (pane.key, pane.end, pane.value)


def in_tens(aggregate, *ports):
    """Windows of 10 ns by key."""
    step = windowed(windows.tumbling("10ns"), aggregate, *ports, into=value_of)
    return [timed(sequence=lambda tick: tick[2], out_of_order=4), keyed(lambda tick: tick[1]), step]


def aggregated(out, /, *, items=TICKS, name=None, **how):
    """Put an accumulator class into the corpus, in windows of 10 ns by key."""

    def put(kind):
        ports = tuple(port for port in how if port not in ("begin", "between"))
        program(name or kind.__name__, lambda: in_tens(Of(kind), *ports), items, out, **how)
        return kind

    return put


# ---- names and classes


@aggregated([("a", 10, 13), ("b", 10, 5), ("a", 20, 4), ("b", 20, 2)])
class PrivateTotal(Accumulator):
    def __init__(self):
        self.__n = 0

    def add(self, item):
        self.__n += item[2]

    def result(self):
        return self.__n


ADDED = 0


def forget():
    global ADDED
    ADDED = 0


@aggregated([("a", 10, [1, 3, 5]), ("b", 10, [2]), ("a", 20, [6]), ("b", 20, [4])], begin=forget)
class GlobalCounter(Accumulator):
    def __init__(self):
        self.numbers = []

    def add(self, item):
        global ADDED
        ADDED += 1
        self.numbers.append(ADDED)

    def result(self):
        return self.numbers


@aggregated([("a", 10, 1309), ("b", 10, 502), ("a", 20, 406), ("b", 20, 204)], begin=forget)
class PrivateAndGlobalByPlace(Accumulator):
    def __init__(self):
        self.__n = 0

    def add(self, item):
        raise NotImplementedError("add_at is there")

    def add_at(self, item, ts, sequence):
        global ADDED
        ADDED += 1
        self.__n += item[2] * 100 + ADDED

    def result(self):
        return self.__n


@aggregated([("a", 10, (1, 9)), ("b", 10, (5, 5)), ("a", 20, (4, 4)), ("b", 20, (2, 2))])
class SlotsOfItsOwn(Accumulator):
    __slots__ = ("__low", "high")

    def __init__(self):
        self.__low = self.high = None

    def add(self, item):
        value = item[2]
        if self.__low is None or value < self.__low:
            self.__low = value
        self.high = max(self.high or value, value)

    def result(self):
        return self.__low, self.high


class Sum(Accumulator):
    def __init__(self):
        self.total = 0

    def weight(self, item):
        return 1

    def add(self, item):
        self.total += item[2] * self.weight(item)

    def result(self):
        return self.total


@aggregated([("a", 10, "130!"), ("b", 10, "5!"), ("a", 20, "40!"), ("b", 20, "2!")])
class InheritedSum(Sum):
    def weight(self, item):
        return super().weight(item) * (10 if item[1] == "a" else 1)

    def result(self):
        return f"{super().result()}!"


@aggregated([("a", 10, 8), ("b", 10, 5), ("a", 20, 4), ("b", 20, 2)])
class PropertyThatClamps(Accumulator):
    def __init__(self):
        self._level = 0

    @property
    def level(self):
        return self._level

    @level.setter
    def level(self, value):
        self._level = min(value, 8)

    def add(self, item):
        self.level += item[2]

    def result(self):
        return self.level


@aggregated([("a", 10, 3), ("b", 10, 5), ("a", 20, 4), ("b", 20, 2)])
class DataclassMedian(Accumulator):
    values: list

    def __init__(self):
        self.values = []

    def add(self, item):
        self.values.append(item[2])

    def result(self):
        return statistics.median(self.values)


@dataclass
class _Histogram(Accumulator):
    width: int
    bins: Counter = field(default_factory=Counter)

    def add(self, item):
        self.bins[item[2] // self.width] += 1

    def result(self):
        return sorted(self.bins.items())

    def __len__(self):
        return 0  # as a container that is always empty: false in a condition


aggregated(
    [("a", 10, [(0, 2), (2, 1)]), ("b", 10, [(1, 1)]), ("a", 20, [(1, 1)]), ("b", 20, [(0, 1)])], name="Histogram"
)(partial(_Histogram, 4))


def exponential(alpha):
    class Exponential(Accumulator):
        value = None

        def add(self, item):
            before = self.value
            self.value = item[2] if before is None else before + alpha * (item[2] - before)

        def result(self):
            return self.value

    return Exponential


aggregated([("a", 10, 5.5), ("b", 10, 5), ("a", 20, 4), ("b", 20, 2)], name="AccumulatorInAFunction")(exponential(0.5))


class _LambdaAdd(Sum):
    add = lambda self, item: self.take(item) and None  # noqa: E731

    def take(self, item):
        self.total += item[2] and 1
        return self.total


aggregated([("a", 10, 3), ("b", 10, 1), ("a", 20, 1), ("b", 20, 1)], name="LambdaForAdd")(_LambdaAdd)


# ---- the other methods


@aggregated(
    [
        ("a", 10, [(1, 3), (4, 1), (8, 9)]),
        ("b", 10, [(2, 5)]),
        ("a", 20, [(15, 4)]),
        ("b", 20, [(12, 2)]),
    ]
)
class PlacesInTime(Accumulator):
    def __init__(self):
        self.places = []

    def add(self, item):
        raise NotImplementedError("add_at is there")

    def add_at(self, item, ts, sequence):
        self.places.append((ts, sequence))

    def result(self):
        return sorted(self.places)


@aggregated([("a", 10, 13 / 10), ("b", 10, 0.5), ("a", 20, 0.4), ("b", 20, 0.2)])
class ResultByItsWindow(Sum):
    def result_in(self, start, end):
        return self.total / (end - start)


@aggregated(
    [("a", 10, 3), ("b", 10, 5), ("a", 20, 4)],
    items=[(1, "a", 3), (2, "b", 5), (4, "a", -1), (5, "a", 0), (15, "a", 4)],
    dead=[("step2", (4, "a", -1), "BadItem('-1 is below 0')"), ("step2", (5, "a", 0), "ZeroDivisionError('0 at 5')")],
)
class RefusesSome(Sum):
    def add_at(self, item, ts, sequence):
        if item[2] < 0:
            raise rxdag.BadItem(f"{item[2]} is below 0")
        if item[2] == 0:
            raise ZeroDivisionError(f"0 at {ts}")
        self.add(item)


class Checked(Sum):
    def check(self, item):
        if item[2] > 8:
            raise rxdag.BadItem(f"{item[2]} is above 8")

    def add(self, item):
        self.check(item)
        super().add(item)


@dataclass(frozen=True)
class Both:
    total: int
    n: int


program(
    "NamedWithAUsersOwn",
    lambda: in_tens(agg.named(Both, total=Of(Checked), n=agg.count()), "dead"),
    TICKS,
    [("a", 10, Both(4, 2)), ("b", 10, Both(5, 1)), ("a", 20, Both(4, 1)), ("b", 20, Both(2, 1))],
    dead=[("step2", (8, "a", 9), "BadItem('named: total: 9 is above 8')")],
)


# ---- functions of aggregates


def weighted(factor):
    return lambda total, tick: total + tick[2] * factor


program(
    "FoldWithAClosure",
    lambda: in_tens(agg.fold(0, weighted(3))),
    TICKS,
    [("a", 10, 39), ("b", 10, 15), ("a", 20, 12), ("b", 20, 6)],
)
program(
    "FoldOfAListInPlace",
    lambda: [timed(), windowed_all(windows.tumbling("10ns"), agg.fold([], lambda made, x: made.append(x) or made))],
    [(1,), (2,), (11,)],
    [
        rxdag.Pane(None, 0, 10, 0, [(1,), (2,)], "watermark"),
        rxdag.Pane(None, 10, 20, 0, [(11,)], "watermark"),
    ],
)
program(
    "FieldsByOddFunctions",
    lambda: in_tens(agg.named(top=agg.max(lambda t: t[2] and t[2] % 5), last=agg.last(lambda t, *, by=2: t[by]))),
    TICKS,
    [
        ("a", 10, {"top": 4, "last": 9}),
        ("b", 10, {"top": 0, "last": 5}),
        ("a", 20, {"top": 4, "last": 4}),
        ("b", 20, {"top": 2, "last": 2}),
    ],
)
