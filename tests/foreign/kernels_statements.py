# ruff: noqa: LOG001  # as users write them
"""Kernels with generators, and with many kinds of statements and expressions."""

from __future__ import annotations

import logging

from rxdag.operators import Kernel
from tests.foreign.entries import kernel

# ---- generators


@kernel([3, 0, 2], [[0, 1, 2, "end 3"], ["end 0"], [0, 1, "end 2"]])
class GeneratorHelper(Kernel):
    def parts(self, n):
        yield from range(n)
        yield f"end {n}"

    def on_item(self, item, emit):
        emit(list(self.parts(item)))


def averaging():
    total, n = 0, 0
    value = yield
    while True:
        total, n = total + value, n + 1
        value = yield total / n


@kernel([2, 4, 9], [2.0, 3.0, 5.0])
class GeneratorThatIsSentTo(Kernel):
    def __init__(self):
        self.average = averaging()
        next(self.average)

    def on_item(self, item, emit):
        emit(self.average.send(item))


@kernel([5, 6, 7], [[5, "a"], [6, "b"], [7, "a"]])
class NextOfAnIterator(Kernel):
    def __init__(self):
        self.letters = iter(())

    def letter(self):
        for letter in self.letters:
            return letter
        self.letters = iter("ab")
        return next(self.letters)

    def on_item(self, item, emit):
        emit([item, self.letter()])


# ---- statements and expressions of all kinds


@kernel([(1, 2, 3, 4), (5, 6, 7)], [([2, 3], 5, 1), ([6], 12, 5)])
class Unpacks(Kernel):
    def on_item(self, item, emit):
        first, *middle, last = item
        self.a = self.b = first
        self.a, self.b = self.b + last, self.a
        emit((middle, self.a, self.b))


@kernel([1, 2, 3, 4], [[1], [1, 2], [2, 3], [3, 4]])
class Deletes(Kernel):
    def __init__(self):
        self.items = []

    def on_item(self, item, emit):
        self.items += [item]
        if len(self.items) > 2:
            del self.items[0]
        self.last = item
        del self.last
        emit(self.items[:] if not hasattr(self, "last") else [])


@kernel([3, 12], ["<'3'  |   3|3>", "<'12' |  12|c>"])
class FormatsText(Kernel):
    width = 5

    def on_item(self, item, emit):
        text = f"<{str(item)!r:<{self.width}}|{item:>{self.width - 1}}|{item:x}>"
        emit(text)


@kernel([1, 2], [["Logs at 1: 1"], ["Logs at 1: 1", "Logs at 2: 2"]])
class Logs(Kernel):
    def __init__(self):
        self.n = 0
        self.lines = []
        self.log = logging.Logger("foreign")
        self.log.addHandler(self)
        self.level = logging.DEBUG

    def handle(self, record):
        self.lines.append(record.getMessage())

    def __str__(self):
        return f"Logs at {self.n}"

    def on_item(self, item, emit):
        self.n += 1
        self.log.info("%s: %s", self, item)
        emit(list(self.lines))
