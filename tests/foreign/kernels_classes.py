"""Kernels and how their classes are made: inheritance, dataclasses, decorators, metaclasses, functools."""

# ruff: noqa: RET503  # as users write them
from __future__ import annotations

import enum
import functools
from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from rxdag.operators import Kernel
from tests.foreign.entries import kernel, own, program

T = TypeVar("T")

# ---- inheritance


class Scaled(Kernel):
    factor = 2

    def scale(self, item):
        return item * self.factor

    def on_item(self, item, emit):
        value = self.scale(item)
        emit(value)


@kernel([1, 2], [30, 60])
class OverridesAHelper(Scaled):
    factor = 3

    def scale(self, item):
        return super().scale(item) * 10


@kernel([1, 2, 3], [4, 8], dropped=[3])
class CallsSuper(Scaled):
    def on_item(self, item, emit):
        if item > 2:
            return emit.dropped(item, "too much")
        return super().on_item(item * 2, emit)


class Checks(Kernel):
    def on_item(self, item, emit):
        self.log.append("checks")
        super().on_item(item, emit)


class Tells(Kernel):
    def on_item(self, item, emit):
        self.log.append("tells")
        super().on_item(item, emit)


class Last(Kernel):
    def __init__(self):
        self.log = []

    def on_item(self, item, emit):
        self.log.append("last")
        emit((item, len(self.log), self.log[-3:]))


@kernel([1, 2], [(1, 3, ["checks", "tells", "last"]), (2, 6, ["checks", "tells", "last"])])
class Mixins(Checks, Tells, Last):
    pass


class Step(Kernel, ABC):
    def __init__(self):
        self.n = 0

    @abstractmethod
    def step(self, item): ...

    def on_item(self, item, emit):
        self.n += 1
        emit(self.step(item))


@kernel(["a", "b"], ["a1", "b2"])
class OfAnAbstractClass(Step):
    def step(self, item):
        return f"{item}{self.n}"


@kernel([1, 2, 1], [(1, 1), (2, 1), (1, 2)])
class OfAGenericClass(Kernel, Generic[T]):
    def __init__(self):
        self.seen: Counter[T] = Counter()

    def on_item(self, item: T, emit: Any) -> None:
        self.seen[item] += 1
        emit((item, self.seen[item]))


# ---- classes of other kinds


@dataclass
class DataclassKernel(Kernel):
    """Compares by its fields and has no hash."""

    limit: int = 2
    seen: list[int] = field(default_factory=list)

    def on_item(self, item, emit):
        if len(self.seen) >= self.limit:
            return emit.filtered(item)
        self.seen.append(item)
        emit(item)


kernel([1, 2, 3], [1, 2])(DataclassKernel)


@kernel([1, 2], [1, 2])
class FalsyAndEqualToAll(Kernel):
    """The engine must not compare a kernel or test its truth."""

    def __len__(self):
        return 0

    def __eq__(self, other):
        return True

    __hash__ = None

    def on_item(self, item, emit):
        emit(item)


@kernel([1, 2], [(1, 1), (2, 2)])
class CallableAndIterable(Kernel):
    def __init__(self):
        self.n = 0

    def __call__(self):
        self.n += 1
        return self.n

    def __iter__(self):
        return iter((self.n,))

    def on_item(self, item, emit):
        self()
        emit((item, *self))


@kernel([1, 2], [("out", 1), ("out", 2)])
class AttributesNamedLikeAnEnginesOwn(Kernel):
    def __init__(self):
        self.name, self.out, self.node, self.ledger = "n", "out", None, None
        self.push = self.mark = self.end = self.receive = self.came = self.blocked = self.pending = None

    def on_item(self, item, emit):
        emit((self.out, item))


def counted(cls):
    """A class decorator that wraps `on_item` and adds a method."""
    on_item = cls.on_item

    @functools.wraps(on_item)
    def counting(self, item, emit):
        self.calls = self.number() + 1
        return on_item(self, item, emit)

    cls.on_item = counting
    cls.number = lambda self: vars(self).get("calls", 0)
    return cls


@kernel(["a", "b"], ["a1", "b2"])
@counted
class DecoratedClass(Kernel):
    def on_item(self, item, emit):
        emit(f"{item}{self.number()}")


class Adding(type):
    """A metaclass that adds `on_item`."""

    def __new__(mcs, name, bases, namespace, by=0):
        namespace["on_item"] = lambda self, item, emit: emit(item + by)
        return super().__new__(mcs, name, bases, namespace)


class OfAMetaclass(Kernel, metaclass=Adding, by=5):
    pass


kernel([1, 2], [6, 7])(OfAMetaclass)
program(
    "TypeMadeClass",
    lambda: [own(type("Made", (Scaled,), {"scale": lambda self, item: self.factor**item}))],
    [1, 2, 3],
    [2, 4, 8],
)


class Light(enum.Enum):
    RED = "red"
    GREEN = "green"

    def after(self):
        return Light.GREEN if self is Light.RED else Light.RED


@kernel(["go", "x", "go", "x"], ["green", "green", "red", "red"])
class EnumState(Kernel):
    def __init__(self):
        self.light = Light.RED

    def on_item(self, item, emit):
        match item, self.light:
            case "go", (Light.RED | Light.GREEN) as light:
                self.light = light.after()
        emit(self.light.value)


# ---- functools


@functools.singledispatch
def described(item):
    return f"object {item}"


@described.register
def _(item: int):
    return f"int {item}"


@described.register(str)
def _(item):
    return f"str {item}"


@kernel([1, "a", None, True], ["int 1", "str a", "object None", "int True"])
class SingleDispatch(Kernel):
    def on_item(self, item, emit):
        emit(described(item))


@kernel([1, "a", 2.5], ["number 1", "text a", "number 2.5"])
class SingleDispatchMethod(Kernel):
    @functools.singledispatchmethod
    def kind(self, item):
        return "text"

    @kind.register(int)
    @kind.register(float)
    def _(self, item):
        return "number"

    def on_item(self, item, emit):
        emit(f"{self.kind(item)} {item}")


@kernel([3, 3, 4, 3], [(9, 1), (9, 1), (16, 2), (9, 2)])
class LruCache(Kernel):
    def __init__(self):
        self.calls = 0
        self.square = functools.lru_cache(maxsize=8)(self.square)

    def square(self, item):
        self.calls += 1
        return item * item

    def on_item(self, item, emit):
        emit((self.square(item), self.calls))


@kernel([1, 2], [101, 102])
class PartialMethod(Kernel):
    def plus(self, by, item):
        return item + by

    plus_hundred = functools.partialmethod(plus, 100)

    def on_item(self, item, emit):
        emit(self.plus_hundred(item))
