"""Kernels with private, global, closed-over and shadowed names, and classes without source on disk."""

# ruff: noqa: A001, C417, RET503  # as users write them
from __future__ import annotations

import atexit
import functools
import importlib.util
import linecache
import sys
import tempfile
from pathlib import Path

from rxdag.operators import Kernel
from tests.foreign.entries import kernel, own, program

# ---- private names


@kernel([5, 6, 7], [(1, 5), (2, 6), (3, 7)])
class PrivateCounter(Kernel):
    def __init__(self):
        self.__n = 0

    def on_item(self, item, emit):
        self.__n += 1
        emit((self.__n, item))


@kernel([1, 2, 3], [10, 21, 32])
class PrivateMethod(Kernel):
    __factor = 10

    def __init__(self):
        self.__before = 0

    def __scaled(self, item):
        return item * self.__factor + self.__before

    def on_item(self, item, emit):
        value = self.__scaled(item)
        self.__before = item
        emit(value)


class _Base(Kernel):
    def __init__(self):
        self.__n = 100

    def _count(self):
        self.__n += 1
        return self.__n


@kernel(["a", "b"], [(101, 1, "a"), (102, 2, "b")])
class PrivateInBaseAndBelow(_Base):
    def __init__(self):
        super().__init__()
        self.__n = 0

    def on_item(self, item, emit):
        self.__n += 1
        above = self._count()
        emit((above, self.__n, item))


# ---- closures


def closing_over(fee):
    total = 0

    class Charged(Kernel):
        def on_item(self, item, emit):
            nonlocal total
            total += fee
            value = item + fee
            emit((value, total))

    return Charged()


program("ClassInAFunction", lambda: [own(lambda: closing_over(3))], [1, 2, 3], [(4, 3), (5, 6), (6, 9)])


def each_closing_over(names):
    kinds = []
    for name in names:

        class Named(Kernel):
            def on_item(self, item, emit):
                emit(item + name)  # the last name, whenever it is called

        kinds.append(Named)
    return kinds


program("ClassesInALoop", lambda: [own(kind) for kind in each_closing_over("ab")], ["x", "y"], ["xbb", "ybb"])


# ---- globals

FEE = 1
TOTAL = 0
RATES = {"eur": 2}
SCALE = 1


def set_back():
    global FEE, TOTAL, SCALE
    FEE, TOTAL, SCALE = 1, 0, 1
    RATES.clear()
    RATES["eur"] = 2


def raise_fee():
    global FEE
    FEE *= 10


def scale_up():
    global SCALE
    SCALE = 100


@kernel([1, 0, 2, 0, 3], [2, 10, 12, 100, 103], begin=set_back)
class GlobalThatAnotherFunctionChanges(Kernel):
    def on_item(self, item, emit):
        if item == 0:
            raise_fee()
        value = item + FEE
        emit(value)


@kernel([4, 5, 6], [4, 9, 15], begin=set_back)
class GlobalOfItsOwn(Kernel):
    def on_item(self, item, emit):
        global TOTAL
        TOTAL += item
        emit(TOTAL)


@kernel([1, 2, 3], [100, 200, 300], begin=set_back, between=scale_up)
class GlobalSetBetweenPlanAndRun(Kernel):
    def on_item(self, item, emit):
        value = item * SCALE
        emit(value)


@kernel([("eur", 3), ("usd", 3), ("usd", 4), ("eur", 3)], [6, 3, 12, 6], begin=set_back)
class GlobalDictionary(Kernel):
    def on_item(self, item, emit):
        currency, amount = item
        rate = RATES.setdefault(currency, 1)
        RATES[currency] = rate if currency == "eur" else rate + 2
        emit(amount * rate)


# ---- names that mean something else here


@kernel([3, 1, 2], [[3], [1, 3], [1, 2, 3]])
class ShadowedBuiltins(Kernel):
    def __init__(self):
        self.list = []

    def on_item(self, item, emit):
        list = self.list
        len = item
        list.append(len)
        list.sort()
        emit([*list])


@kernel([1, 2, 200], [1, 2, 200])
class LambdaInACondition(Kernel):
    def __init__(self):
        self.seen = [1, 2]

    def on_item(self, item, emit):
        if any(map(lambda item: item > 100, self.seen)):
            return emit.filtered(item)
        emit(item)


@kernel([2, 3], [([0, 10], [(0, 2), (1, 2)], 2), ([0, 10, 20], [(0, 3), (1, 3), (2, 3)], 3)])
class ComprehensionsThatShadow(Kernel):
    def on_item(self, item, emit):
        tens = [item * 10 for item in range(item)]
        pairs = [(i, n) for n in [item] for i in range(n)]
        emit((tens, pairs, item))


@kernel([1, 2], [[3, 13, 23], [5, 15, 25]])
class LambdasInAComprehension(Kernel):
    def on_item(self, item, emit):
        late = [lambda item=item, i=i: item + i * 10 for i in range(3)]
        out = [fn() + item + 1 for fn in late]
        emit(out)


@kernel([1, 2, 3], [2, 4, 6])
class ItemAssignedAnew(Kernel):
    def on_item(self, item, emit):
        item *= 2
        emit(item)


@kernel([1, 2, 3], [(1, 1), (3, 2), (6, 3)])
class NamesOfALoop(Kernel):
    """Its locals are named as those of a generated loop may be."""

    def __init__(self):
        self.rows = self.out = self.kernel = 0

    def on_item(self, item, emit):
        chunk = items = x0 = row = item
        self.rows += chunk
        self.out += 1
        self.kernel = items + x0 + row
        emit((self.rows, self.out))


@kernel([1, 2], [("Größe", 2), ("Größe", 4)])
class NamesInOtherLetters(Kernel):
    def on_item(self, item, emit):
        größe = item
        ﬁnal = größe * 2  # NFKC makes it "final"
        emit(("Größe", final))


@kernel([1, 2], [11, 22])
class SelfByAnotherName(Kernel):
    def __init__(this):
        this.sum = 0

    def on_item(this, item, emit):
        this.sum += item
        emit(item * 10 + item)


@kernel([1, 2, 3], [(1, "item"), (3, "item"), (6, "item")])
class EvaluatedText(Kernel):
    def __init__(self):
        self.total = 0

    def on_item(self, item, emit):
        self.total = eval("self.total + item")
        emit((self.total, next(name for name in locals() if name == "item")))


@kernel([1, 2], ["EnclosingClass 1", "EnclosingClass 2"])
class EnclosingClass(Kernel):
    def on_item(self, item, emit):
        name = __class__.__name__  # the cell that super() uses
        emit(f"{name} {item}")


# ---- on_item that is made otherwise than by `def` in the class


class LambdaForOnItem(Kernel):
    on_item = lambda self, item, emit: emit(item + 1)  # noqa: E731


kernel([1, 2], [2, 3])(LambdaForOnItem)


def twice(self, item, emit):
    self.n += 1
    emit(item * 2)


class FunctionForOnItem(Kernel):
    on_item = twice

    def __init__(self):
        self.n = 0


kernel([1, 2], [2, 4])(FunctionForOnItem)


def told(method):
    """Decorate a method to record its calls."""

    @functools.wraps(method)
    def telling(self, *args):
        self.calls.append(args[0])
        return method(self, *args)

    return telling


@kernel([1, 2, 3], [[1], [1, 2], [1, 2, 3]])
class DecoratedOnItem(Kernel):
    def __init__(self):
        self.calls = []

    @told
    def on_item(self, item, emit):
        emit(list(self.calls))


class PatchedAfterwards(Kernel):
    def on_item(self, item, emit):
        emit(item)


def negated(self, item, emit, on_item=PatchedAfterwards.on_item):
    on_item(self, -item, emit)


PatchedAfterwards.on_item = functools.wraps(PatchedAfterwards.on_item)(negated)
kernel([1, 2], [-1, -2])(PatchedAfterwards)


# ---- classes whose text is not what it seems

if FEE != 1:

    class OneOfTwo(Kernel):
        def on_item(self, item, emit):
            value = item * 1000
            emit(value)

else:

    class OneOfTwo(Kernel):
        def on_item(self, item, emit):
            value = item + 5
            emit(value)


kernel([1, 2], [6, 7])(OneOfTwo)

made_of_text: dict = {"Kernel": Kernel}
exec(
    "class OfText(Kernel):\n    def on_item(self, item, emit):\n        value = item * 7\n        emit(value)",
    made_of_text,
)
program("ExecMadeClass", lambda: [own(made_of_text["OfText"])], [1, 2], [7, 14])

MODULE = """
from rxdag.operators import Kernel

class Doubled(Kernel):
    def on_item(self, item, emit):
        value = item * 2
        emit(value)
"""


def class_whose_file_changed():
    """Return a class whose source file has changed since it was imported."""
    folder = tempfile.TemporaryDirectory()
    atexit.register(folder.cleanup)
    path = Path(folder.name, "changed.py")
    path.write_text(MODULE)
    spec = importlib.util.spec_from_file_location("changed", path)
    module = sys.modules["changed"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    path.write_text(MODULE.replace("item * 2", "item * 1000"))
    linecache.checkcache(str(path))
    return module.Doubled


changed = class_whose_file_changed()
program("FileChangedOnDisk", lambda: [own(changed)], [1, 2, 3], [2, 4, 6])
