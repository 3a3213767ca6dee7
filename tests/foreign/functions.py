# ruff: noqa: UP031  # as users write them
"""Functions as users write them: methods, C functions, partials, callable objects, closures, generators, lambdas."""

from __future__ import annotations

import functools
import operator
from collections import namedtuple
from decimal import Decimal

from rxdag import aggregates as agg
from rxdag.operators import Kernel
from tests.foreign.entries import (
    exploded,
    filtered,
    keyed,
    mapped,
    own,
    program,
    rolled,
    routed,
    scanned,
    tapped,
)

Tick = namedtuple("Tick", "symbol price")


class KeyAndItem(Kernel):
    """Emit each item with its key."""

    def on_item(self, item, key, emit):
        emit((key, item))


# ---- functions that are no plain functions

program("CFunctions", lambda: [mapped(str.upper), filtered(str.isalpha)], ["a", "b1", "c"], ["A", "C"])
program(
    "OperatorModule",
    lambda: [
        mapped(operator.itemgetter("tick")),
        filtered(operator.attrgetter("price")),
        mapped(operator.methodcaller("_replace", symbol="x")),
    ],
    [{"tick": Tick("a", 1)}, {"tick": Tick("b", 0)}],
    [Tick("x", 1)],
)
program(
    "Partials",
    lambda: [
        mapped(functools.partial(pow, 2)),
        filtered(functools.partial(operator.lt, 3)),
        mapped(functools.partial(int, base=2).func),
    ],
    [1, 2, 3],
    [4, 8],
)
program(
    "ClassesAsFunctions",
    lambda: [mapped(int, "dead"), mapped(Decimal)],
    ["1", "x", "3"],
    [Decimal(1), Decimal(3)],
    dead=[("step0", "x", "ValueError(\"invalid literal for int() with base 10: 'x'\")")],
)
program("TypesAsConditions", lambda: [filtered(bool), exploded(reversed)], ["ab", "", "c"], ["b", "a", "c"])
program(
    "MethodsOfContainers",
    lambda: [mapped({"a": 1, "b": 0}.get), filtered({0, 1}.__contains__), mapped([10, 20].__getitem__)],
    ["a", "b", "c"],
    [20, 10],
)


class Account:
    def __init__(self):
        self.__balance = 0

    def deposit(self, amount):
        if amount < 0:
            raise ValueError(f"at {self.__balance}")
        self.__balance += amount
        return self.__balance

    def __call__(self, amount):
        return self.deposit(amount) >= 3

    @staticmethod
    def doubled(amount):
        return amount * 2

    @classmethod
    def named(cls, amount):
        return f"{cls.__name__} {amount}"


program(
    "BoundMethods",
    lambda: [mapped(Account().deposit, "dead"), mapped(Account.doubled), mapped(Account.named)],
    [1, -1, 2],
    ["Account 2", "Account 6"],
    dead=[("step0", -1, "ValueError('at 1')")],
)
program(
    "CallableObject",
    lambda: [filtered(Account(), "dead")],
    [1, -1, 2, 0],
    [2, 0],
    dead=[("step0", -1, "ValueError('at 1')")],
)


# ---- closures and names


def adders():
    return [lambda x: x + step for step in (1, 10, 100)]  # all of them add 100


program("LambdasOverALoopVariable", lambda: [mapped(fn) for fn in adders()], [1, 2], [301, 302])
program(
    "LambdasWithDefaults",
    lambda: [mapped(lambda x, step=step: x + step) for step in (1, 10, 100)],
    [1, 2],
    [112, 113],
)


def numbering():
    n = 0

    def number(item):
        nonlocal n
        n += 1
        return (n, item)

    return number


program(
    "ClosureThatCounts", lambda: [mapped(numbering()), mapped(numbering())], ["a", "b"], [(1, (1, "a")), (2, (2, "b"))]
)


def appending(item, seen=[]):  # the famous mistake
    seen.append(item)
    return list(seen)


program(
    "MutableDefault",
    lambda: [mapped(appending)],
    [1, 2],
    [[1], [1, 2]],
    begin=lambda: appending.__defaults__[0].clear(),
)

LIMIT = 2
NAMES = {"a": 1}


def set_back():
    global LIMIT
    LIMIT = 2
    NAMES.clear()
    NAMES["a"] = 1


def set_limit():
    global LIMIT
    LIMIT = 4


def known(name):
    return NAMES.setdefault(name, len(NAMES) * 10)


def grows(x):
    global LIMIT
    LIMIT += 1
    return x < LIMIT


program(
    "GlobalSetBetweenPlanAndRunInALambda",
    lambda: [filtered(lambda x: x < LIMIT)],
    range(6),
    [0, 1, 2, 3],
    begin=set_back,
    between=set_limit,
)
program("GlobalThatGrows", lambda: [filtered(grows)], [2, 4, 4, 9], [2, 4], begin=set_back)
program("GlobalDictionaryInAFunction", lambda: [mapped(known)], ["a", "b", "c", "b"], [1, 10, 20, 10], begin=set_back)
program("TwoLambdasOnALine", lambda: [mapped(fn) for fn in (lambda x: x + 1, lambda x: x * 10)], [1, 2], [20, 30])
program("EvalMadeLambda", lambda: [mapped(eval("lambda x: x + k", {"k": 3}))], [1, 2], [4, 5])


def told(fn):
    @functools.wraps(fn)
    def telling(*args, **kwargs):
        telling.calls += 1
        return fn(*args, **kwargs), telling.calls

    telling.calls = 0
    return telling


program("DecoratedFunction", lambda: [mapped(told(lambda x: x * 2))], [1, 2], [(2, 1), (4, 2)])


def cached():
    calls = []

    @functools.lru_cache
    def square(x):
        calls.append(x)
        return x * x, len(calls)

    return square


program("CachedFunction", lambda: [mapped(cached())], [3, 3, 4, 3], [(9, 1), (9, 1), (16, 2), (9, 1)])


def running():
    """Return the `send` method of a generator."""

    def average():
        total, n = 0, 0
        value = yield
        while True:
            total, n = total + value, n + 1
            value = yield total / n

    started = average()
    next(started)
    return started.send


program("GeneratorAsAFunction", lambda: [mapped(running())], [2, 4, 9], [2.0, 3.0, 5.0])


def fibonacci(n):
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)


program("RecursiveFunction", lambda: [mapped(fibonacci)], [1, 5, 10], [1, 5, 55])


# ---- lambdas of all kinds of expressions

program("AndOrInALambda", lambda: [mapped(lambda x: (x and x * 2) or "none")], [0, 1, 2], ["none", 2, 4])
program("ConditionalInALambda", lambda: [mapped(lambda x: "a" if x > 1 else x and "b")], [0, 1, 2], [0, "b", "a"])
program(
    "ShortCircuit",
    lambda: [filtered(lambda x: x and 6 / (x - 2) > 1, "dead")],
    [0, 1, 2, 5],
    [5],
    dead=[("step0", 2, "ZeroDivisionError('division by zero')")],
)
program("WalrusInALambda", lambda: [mapped(lambda x: (y := x + 1) * y)], [1, 2], [4, 9])
program("DisplaysInALambda", lambda: [mapped(lambda x: [x, *range(x), {"a": x}])], [2], [[2, 0, 1, {"a": 2}]])
program(
    "TextInALambda",
    lambda: [mapped(lambda x: f"{x!r:>4}|{x:04.1f}" + "%s" % x)],
    [1, 2.5],
    ["   1|01.01", " 2.5|02.52.5"],
)
program(
    "SubscriptsInALambda",
    lambda: [mapped(lambda d: d["a"][-1][::2], "dead")],
    [{"a": ["xyz"]}, {"b": 1}, {"a": []}],
    ["xz"],
    dead=[("step0", {"b": 1}, "KeyError('a')"), ("step0", {"a": []}, "IndexError('list index out of range')")],
)
program("ChainInALambda", lambda: [filtered(lambda x: 0 < x <= 3 != 2 and x not in (1,))], [0, 1, 2, 3, 4], [2, 3])
program("LambdaInALambda", lambda: [mapped(lambda x: (lambda y: y + x)(x * 10))], [1, 2], [11, 22])
program(
    "ComprehensionInALambda", lambda: [mapped(lambda x: [x + i for i in range(2) if i or x])], [0, 1], [[1], [1, 2]]
)


# ---- scan, keys, routes, explode

program("ScanOfLists", lambda: [scanned([], lambda made, x: [*made, x][-2:])], [1, 2, 3], [[1], [1, 2], [2, 3]])
program(
    "ScanByKey",
    lambda: [keyed(str.lower), scanned((), lambda made, x: (*made, x)[-2:]), own(KeyAndItem)],
    ["a", "B", "A", "b", "a"],
    [("a", ("a",)), ("b", ("B",)), ("a", ("a", "A")), ("b", ("B", "b")), ("a", ("A", "a"))],
)
program(
    "ScanThatFails",
    lambda: [scanned(12, lambda left, x: left // x, "dead")],
    [2, 0, 3],
    [6, 2],
    dead=[("step0", 0, "ZeroDivisionError('integer division or modulo by zero')")],
)
program(
    "RollingByKey",
    lambda: [keyed(lambda x: x % 2), rolled(2, agg.reduce(lambda a, b: f"{a}{b}"))],
    [1, 2, 3, 4, 5],
    [1, 2, "13", "24", "35"],
)


class Venue:
    def __init__(self, names):
        self.names = names

    def has(self, item):
        return item in self.names


program(
    "RoutesByMethods",
    lambda: [routed({"ab": Venue("ab").has, "digit": str.isdigit, "empty": operator.not_}, default="rest")],
    ["a", "1", "", "x", "b"],
    None,
    ab=["a", "", "b"],
    digit=["1"],
    empty=[],
    rest=["x"],
)
program(
    "RouteThatFails",
    lambda: [routed({"big": lambda x: x > 2, "inverse": lambda x: 1 // x}, "unrouted", "dead")],
    [3, 0, 1, 2],
    None,
    big=[3],
    inverse=[1],
    unrouted=[2],
    dead=[("step0", 0, "ZeroDivisionError('integer division or modulo by zero')")],
)


def halves(n):
    while n > 1:
        n //= 2
        yield n
    return "done"


def until_it_fails(n):
    yield n
    if n == 2:
        raise LookupError("no more")
    yield from (n * 10 for _ in range(1))


program("ExplodesAGenerator", lambda: [exploded(halves)], [9, 1, 4], [4, 2, 1, 2, 1])
program(
    "ExplodesIterators",
    lambda: [exploded(lambda x: map(str, range(x))), exploded(dict.fromkeys)],
    [2, 0, 3],
    list("01012"),
)
program(
    "ExplodeThatFailsHalfWay",
    lambda: [exploded(until_it_fails, "dead")],
    [1, 2, 3],
    [1, 10, 2, 3, 30],
    dead=[("step0", 2, "LookupError('no more')")],
)


class Refuses:
    """A function that records its calls and fails on some items."""

    def __init__(self):
        self.calls = []

    def __call__(self, item):
        self.calls.append(item)
        if item < 0:
            raise ValueError(list(self.calls))


program(
    "TapThatFails",
    lambda: [tapped(Refuses(), "dead")],
    [1, -1, 2, -2],
    [1, 2],
    dead=[("step0", -1, "ValueError([1, -1])"), ("step0", -2, "ValueError([1, -1, 2, -2])")],
    only_once=True,
)
