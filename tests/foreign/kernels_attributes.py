"""Kernels with properties, descriptors, slots, and attributes that are made at run time."""

from __future__ import annotations

import functools
import operator
from typing import ClassVar

from rxdag.operators import Kernel
from tests.foreign.entries import kernel


@kernel([5, 15, -3], [5, 10, 0])
class Property(Kernel):
    def __init__(self):
        self._level = 0

    @property
    def level(self):
        return self._level

    @level.setter
    def level(self, value):
        self._level = min(10, max(0, value))

    def on_item(self, item, emit):
        self.level = item
        emit(self.level)


class Clamped:
    def __init__(self, top):
        self.top = top

    def __set_name__(self, owner, name):
        self.name = f"_clamped_{name}"

    def __get__(self, instance, owner=None):
        return self if instance is None else vars(instance).get(self.name, 0)

    def __set__(self, instance, value):
        vars(instance)[self.name] = min(value, self.top)


@kernel([3, 4, 5], [3, 7, 10])
class Descriptor(Kernel):
    total = Clamped(10)

    def on_item(self, item, emit):
        self.total += item
        emit(self.total)


@kernel([1, 2, 3], [(1, 1), (2, 1), (3, 1)])
class CachedProperty(Kernel):
    made = 0

    @functools.cached_property
    def table(self):
        self.made += 1
        return {n: n for n in range(10)}

    def on_item(self, item, emit):
        emit((self.table[item], self.made))


@kernel([1, 2], [1, 3])
class Slots(Kernel):
    __slots__ = ("__sum", "last")
    state = ("last",)

    def __init__(self):
        self.__sum = 0
        self.last = None

    def on_item(self, item, emit):
        self.last = item
        self.__sum += item
        emit(self.__sum)


@kernel(["add", "add", "sub"], [1, 2, 1])
class AttributesAtRunTime(Kernel):
    def __getattr__(self, name):
        if name.startswith("do_"):
            return functools.partial(self.change, {"add": 1, "sub": -1}[name.removeprefix("do_")])
        raise AttributeError(name)

    def change(self, by):
        self.n = vars(self).get("n", 0) + by

    def on_item(self, item, emit):
        getattr(self, f"do_{item}")()
        emit(self.n)


@kernel([1, 2], [["n"], ["n", "n"]])
class SetAttr(Kernel):
    def __init__(self):
        object.__setattr__(self, "changes", [])

    def __setattr__(self, name, value):
        if name == "n":
            self.changes.append(name)
        object.__setattr__(self, name, value)

    def on_item(self, item, emit):
        self.n = item
        emit(list(self.changes))


@kernel([("a", 1), ("b", 2), ("a", 3)], [["a"], ["a", "b"], ["a", "b"]])
class VarsOfSelf(Kernel):
    def on_item(self, item, emit):
        name, value = item
        setattr(self, f"seen_{name}", value)
        mine = sorted(key.removeprefix("seen_") for key in vars(self) if key.startswith("seen_"))
        emit(mine)


@kernel([1, 2], ["TypeOfSelf 1", "TypeOfSelf 2"])
class TypeOfSelf(Kernel):
    def on_item(self, item, emit):
        name = type(self).__name__
        emit(f"{name} {item}")


def forget_class_attributes():
    ClassAttribute.made = 0


@kernel([1, 2, 3], [(1, 0), (2, 0), (3, 0)], begin=forget_class_attributes)
class ClassAttribute(Kernel):
    """A class attribute hidden by an instance attribute of the same name."""

    made: ClassVar[int] = 0

    def __init__(self):
        self.made = 0

    def on_item(self, item, emit):
        cls = type(self)
        cls.made += 1
        emit((cls.made, self.made))


@kernel([4, 5], [(4, 8, 12), (5, 10, 15)])
class StaticAndClassMethods(Kernel):
    factor = 3

    @staticmethod
    def doubled(item):
        return item * 2

    @classmethod
    def scaled(cls, item):
        return item * cls.factor

    def on_item(self, item, emit):
        emit((item, self.doubled(item), self.scaled(item)))


@kernel([(1, 2), (3, 4)], [[2], [2, 4]])
class MethodsInAttributes(Kernel):
    def __init__(self):
        self.items = []
        self.second = operator.itemgetter(1)
        self.keep = self.items.append

    def on_item(self, item, emit):
        self.keep(self.second(item))
        emit(self.items.copy())
