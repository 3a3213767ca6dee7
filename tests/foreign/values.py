"""Odd values: truth, NaN, None, numpy scalars, Decimal, errors, and items that look like sentinels."""

from __future__ import annotations

from decimal import Decimal

import numpy as np

import rxdag
from rxdag import aggregates as agg
from rxdag import sources
from rxdag.contract import MAX, MIN
from rxdag.operators import Kernel
from tests.foreign.entries import exploded, filtered, keyed, mapped, own, program, rolled, routed, scanned

NAN = float("nan")


class Sized:
    """An object whose truth is its length."""

    def __init__(self, n):
        self.n = n

    def __len__(self):
        return self.n

    def __repr__(self):
        return f"Sized({self.n})"


class Undecided:
    """An object that cannot be tested for truth."""

    def __bool__(self):
        raise TypeError("undecided")


class Incomparable:
    """An object that cannot be compared or hashed."""

    __hash__ = None

    def __init__(self, n):
        self.n = n

    def __eq__(self, other):
        raise TypeError("must not be compared")

    def __repr__(self):
        return f"Incomparable({self.n})"


FALSE = ["", 0, 0.0, None, [], (), Decimal(0), np.float64(0), np.bool_(False), Sized(0), 0j]
TRUE = ["a", -1, NAN, [0], (None,), Decimal("0.1"), np.int64(2), np.bool_(True), Sized(2), object]

program("TruthOfItems", lambda: [filtered(lambda x: x)], [*FALSE, *TRUE], TRUE)
program("TruthOfNot", lambda: [filtered(lambda x: not x)], [*TRUE, *FALSE], FALSE)
program(
    "TruthInRoutes",
    lambda: [routed({"true": lambda x: x}, default="false")],
    [*FALSE, *TRUE],
    None,
    true=TRUE,
    false=FALSE,
)
program(
    "TruthThatRaises",
    lambda: [filtered(lambda x: Undecided() if x == 2 else x, "dead")],
    [1, 2, 0, 3],
    [1, 3],
    dead=[("step0", 2, "TypeError('undecided')")],
)
program("EveryItemIsNone", lambda: [mapped(lambda x: None), filtered(lambda x: x is None)], [1, 2], [None, None])
program(
    "FalseItems", lambda: [mapped(lambda x: x), exploded(lambda x: [x, x])], [0, "", None], [0, 0, "", "", None, None]
)
program("NotANumber", lambda: [mapped(lambda x: x * 2), filtered(lambda x: x != x)], [1.0, NAN, 2.0, NAN], [NAN, NAN])
program(
    "NumpyScalars",
    lambda: [mapped(np.sqrt), mapped(lambda x: x + np.float32(1)), scanned(np.int8(0), lambda a, b: a + b)],
    [np.float32(4), np.float32(9)],
    [np.float32(3), np.float32(7)],
)
program(
    "NumpyIntegers",
    lambda: [mapped(lambda x: x // 2), filtered(lambda x: x > 1)],
    [np.int64(5), np.int64(3), 7],
    [np.int64(2), 3],
)
program(
    "Decimals",
    lambda: [scanned(Decimal(0), lambda total, x: total + x), filtered(lambda x: x < Decimal("0.35"))],
    [Decimal("0.1"), Decimal("0.2"), Decimal("0.1")],
    [Decimal("0.1"), Decimal("0.3")],
)
program(
    "WholeNumbersStayWhole",
    lambda: [mapped(lambda x: x * 1), rolled(2, agg.sum(lambda x: x))],
    [1, 2, 2**70],
    [1, 3, 2**70 + 2],
)
program(
    "TrueIsNotOne", lambda: [mapped(lambda x: x), filtered(lambda x: x == 1)], [True, 1, 1.0, False], [True, 1, 1.0]
)
program(
    "ArraysAsItems",
    lambda: [filtered(lambda a: a.sum() > 2), mapped(lambda a: a * 2), mapped(np.ndarray.tolist)],
    [np.array([1, 2]), np.array([0, 1]), np.array([5])],
    [[2, 4], [10]],
)
program(
    "ItemsThatCannotBeCompared",
    lambda: [
        mapped(lambda x: x),
        filtered(lambda x: x.n),
        keyed(lambda x: x.n % 2),
        rolled(1, agg.last(lambda x: x.n)),
    ],
    [Incomparable(1), Incomparable(0), Incomparable(2)],
    [1, 2],
)
program(
    "ItemsThatLookLikeTheEnginesOwn",
    lambda: [mapped(lambda x: x), filtered(lambda x: True)],
    [sources.END, None, MAX, MIN, StopIteration, ..., NotImplemented, rxdag.Chunk([1, 2])],
    [sources.END, None, MAX, MIN, StopIteration, ..., NotImplemented, rxdag.Chunk([1, 2])],
)
program("ErrorsAsItems", lambda: [mapped(ValueError), filtered(lambda e: e.args[0])], [0, 1], [ValueError(1)])


# ---- what functions raise


def ends_at_two(x):
    if x == 2:
        raise StopIteration("two")
    return x


def given_up(x):
    yield x
    if x == 2:
        raise StopIteration("two")


program(
    "StopIterationInMap",
    lambda: [mapped(ends_at_two, "dead")],
    [1, 2, 3],
    [1, 3],
    dead=[("step0", 2, "StopIteration('two')")],
)
program(
    "StopIterationInFilter",
    lambda: [filtered(ends_at_two, "dead"), mapped(lambda x: -x)],
    [1, 2, 3],
    [-1, -3],
    dead=[("step0", 2, "StopIteration('two')")],
)
program(
    "StopIterationInScan",
    lambda: [scanned(0, lambda total, x: total + ends_at_two(x), "dead")],
    [1, 2, 3],
    [1, 4],
    dead=[("step0", 2, "StopIteration('two')")],
)
program(
    "StopIterationInAKey",
    lambda: [keyed(ends_at_two, "dead"), rolled(2, agg.count())],
    [1, 2, 1, 3],
    [1, 2, 1],
    dead=[("step0", 2, "StopIteration('two')")],
)
program(
    "StopIterationInExplode",
    lambda: [exploded(given_up, "dead")],
    [1, 2, 3],
    [1, 2, 3],
    dead=[("step0", 2, "RuntimeError('generator raised StopIteration')")],
)
program(
    "ErrorsOfItsOwn",
    lambda: [mapped({1: "one"}.__getitem__, "dead")],
    [1, (), 1],
    ["one", "one"],
    dead=[("step0", (), "KeyError(())")],
)


# ---- keys


class Text(str):
    """A subclass of str."""

    __slots__ = ()


class CountsByKey(Kernel):
    def __init__(self):
        self.counts = {}

    def on_item(self, item, key, emit):
        self.counts[key] = self.counts.get(key, 0) + 1
        emit((key, self.counts[key]))


KEYS = [1, 1.0, True, None, (1, "a"), "a", Text("a"), frozenset({1}), Decimal(1), 0, "", False]
program(
    "KeysOfAllKinds",
    lambda: [keyed(lambda x: x), own(CountsByKey)],
    KEYS,
    [
        *((1, 1), (1.0, 2), (True, 3), (None, 1), ((1, "a"), 1), ("a", 1), (Text("a"), 2), (frozenset({1}), 1)),
        *((Decimal(1), 4), (0, 1), ("", 1), (False, 2)),
    ],
)
program("KeyThatIsNotANumber", lambda: [keyed(lambda x: NAN), rolled(3, agg.count())], [1, 2, 3], [1, 2, 3])
